# Written by fleet from the roster: the windows in which people look at the agents.
{% for window in windows -%}
{% for line in window %}{{ line }}
{% endfor -%}
{% endfor -%}
