# Written by fleet from the roster: the windows in which people look at the agents. `fleet view` opens them on a tmux
# server of fleet's own; titles are values of options, which tmux takes as they are, and never formats.
set-option -s escape-time 25
set-option -s focus-events on
set-option -g default-terminal screen-256color
set-option -g mouse on
set-option -g history-limit 10000
set-option -g allow-rename off
set-option -g automatic-rename off
set-option -g set-titles off
set-option -gq remain-on-exit on
set-option -gq remain-on-exit-format "This viewer has left; its agent goes on. C-b R opens it again."
set-option -g status-interval 0
set-option -g status-left-length 40
set-option -g status-left "[#{session_name}] "
set-option -g status-right "Ctrl-\\ [ log | C-b d leaves the view"
set-option -g status-right-length 60
set-option -gq pane-border-status top
set-option -gq pane-border-format " #{@fleet_agent} "
bind-key R respawn-pane -k
# The wheel is the agent's when it asked for the mouse, and does nothing to one that did not.
bind-key -T root WheelUpPane if-shell -F "#{||:#{alternate_on},#{||:#{pane_in_mode},#{mouse_any_flag}}}" "send-keys -M" "copy-mode -e"

{% for window in windows -%}
{% for line in window %}{{ line }}
{% endfor -%}
{% endfor -%}
