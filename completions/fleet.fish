# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fleet_global_optspecs
    string join \n f/file= fleet= h/help V/version
end

function __fish_fleet_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fleet_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fleet_using_subcommand
    set -l cmd (__fish_fleet_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fleet -n "__fish_fleet_needs_command" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_needs_command" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_needs_command" -s V -l version -d 'Print version'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "down" -d 'Options of `start`, `stop` and `restart`'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "canary" -d 'Options of the scripted agent'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "init" -d 'Write a small commented fleet.kdl with the agent CLIs found on this machine'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "validate" -d 'Check the roster: every mistake in one run'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "fmt" -d 'Format the roster in place: one layout for all, with comments kept'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "plan" -d 'Show what `apply` would change, why, and whose work it would interrupt'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "apply" -d 'Make the machine match the roster'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "rollback" -d 'Go back to an earlier generation of the fleet'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "history" -d 'List the generations: who applied what, when, and how it ended'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "show" -d 'Print a saved plan'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "status" -d 'Show what every agent does right now'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "attach" -d 'Open an agent\'s terminal. Ctrl-\\ leaves; the agent goes on'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "view" -d 'Open the fleet\'s windows in tmux: a pane for each agent, as the roster\'s layout says'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "screen" -d 'Print what stands on an agent\'s screen'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "send" -d 'Type a message into an agent and say what is known of its arrival'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "heartbeat" -d 'Say for the agent inside which this runs what it does. Called by its runtime\'s hooks'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "report" -d 'Say what you do, as an agent: working, idle, waiting, done or blocked'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "logs" -d 'Print what an agent printed, as text'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "why" -d 'Tell how an agent came to where it is: what was decided about it, and why'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "events" -d 'List what the supervisor decided, and what became of it'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "messages" -d 'List notices for people and messages to agents'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "digest" -d 'Count what went wrong lately'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "clear" -d 'Let agents start again that are quarantined or wait for a restart'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "propose" -d 'Propose a change to people, or answer a proposal'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "start" -d 'Start agents, and keep them started'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "stop" -d 'Stop agents, and keep them stopped'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "restart" -d 'Stop agents and start them again'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "top" -d 'Show the whole fleet on one screen, and act on it by single keys: ? lists them'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "supervise" -d 'Watch over an applied fleet until told to end: what its supervisor unit runs'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "doctor" -d 'Check what fleet needs of this machine'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "destroy" -d 'Stop the agents and remove everything fleet made for them'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "add" -d 'Add an agent to the roster; every other byte stays'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "remove" -d 'Take agents out of the roster, with every mention of them'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "rename" -d 'Give an agent or a group another name, wherever it is named'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "migrate" -d 'Rewrite old syntax in the roster; comments and layout stay'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "render" -d 'Write what the roster is compiled to, without touching the machine'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "schema" -d 'Print the roster language: its reference, or its schema as JSON'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "man" -d 'Print the manual page, or write all of them into a folder'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "help" -d 'Explain a command'
complete -c fleet -n "__fish_fleet_needs_command" -f -a "explain" -d 'Explain a code of a diagnostic, or a node of the roster language'
complete -c fleet -n "__fish_fleet_using_subcommand down" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand down" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand down" -l fresh -d 'Begin a new conversation instead of going on with the old one'
complete -c fleet -n "__fish_fleet_using_subcommand down" -l all -d 'Every agent of the fleet'
complete -c fleet -n "__fish_fleet_using_subcommand down" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand down" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand canary" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand canary" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand canary" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand init" -l profile -d 'What the roster starts from' -r -f -a "minimal\t'One agent, nothing else'
local-canary\t'Scripted agents: no model, no network'
general\t'An orchestrator, an enhancer and a generalist'
coding\t'An orchestrator, an enhancer, two coders and a reviewer'
research\t'An orchestrator, an enhancer, two researchers, an analyst, a planner and a generalist'
hybrid\t'Coding and research side by side'"
complete -c fleet -n "__fish_fleet_using_subcommand init" -l id -d 'The fleet\'s id; else made from the folder\'s name' -r
complete -c fleet -n "__fish_fleet_using_subcommand init" -l tmux-socket -d 'The tmux server\'s socket; else that of $TMUX, else the default one' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand init" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand init" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand init" -l from-tmux -d 'Make one agent of every pane of your tmux in which a known agent CLI runs. Starts and stops nothing'
complete -c fleet -n "__fish_fleet_using_subcommand init" -l dry-run -d 'Print the roster instead of writing it'
complete -c fleet -n "__fish_fleet_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand validate" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand validate" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand validate" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand validate" -l deny-warnings -d 'Exit with 1 when there are warnings'
complete -c fleet -n "__fish_fleet_using_subcommand validate" -l expand -d 'Print the flat roster: includes taken in, settings merged, the origin of every value'
complete -c fleet -n "__fish_fleet_using_subcommand validate" -l list-files -d 'Print every file that was looked for, found or not, one a line'
complete -c fleet -n "__fish_fleet_using_subcommand validate" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand fmt" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand fmt" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand fmt" -l check -d 'Write nothing; name the files that are not formatted, and exit with 1 if there are any'
complete -c fleet -n "__fish_fleet_using_subcommand fmt" -l diff -d 'Write nothing; print what would change'
complete -c fleet -n "__fish_fleet_using_subcommand fmt" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l manager -d 'The service manager; else the one the fleet was applied with, else systemd where it answers' -r -f -a "systemd\t'The systemd user manager'
local\t'Detached processes, for hosts without a user manager'"
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l only -d 'Only these agents or groups, and whom they wait for; the others\' changes are left out' -r
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l exclude -d 'All but these agents or groups' -r
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l why -d 'Say of one agent what is compiled, applied, on disk and running, and what follows' -r
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l out -d 'Save the plan: `fleet apply FILE` does just this, or refuses when anything has changed' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l generation -d 'Plan the way back to an earlier generation, as `fleet rollback` would go' -r
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l proposal -d 'Plan what an agent proposes, as `fleet propose accept` would write it' -r
complete -c fleet -n "__fish_fleet_using_subcommand plan" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l move-roster -d 'Accept that the fleet is now described by this roster and no longer by the one it was applied from'
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l diff -d 'Show how each file changes'
complete -c fleet -n "__fish_fleet_using_subcommand plan" -l detailed-exitcode -d 'Exit with 2 when there are changes'
complete -c fleet -n "__fish_fleet_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l manager -d 'The service manager; else the one the fleet was applied with, else systemd where it answers' -r -f -a "systemd\t'The systemd user manager'
local\t'Detached processes, for hosts without a user manager'"
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l only -d 'Only these agents or groups, and whom they wait for; the others\' changes are left out' -r
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l exclude -d 'All but these agents or groups' -r
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l restart -d 'When to restart running agents whose settings changed' -r -f -a "idle\t'As soon as the agent is idle; what is not idle in time stays pending'
now\t'At once'
never\t'Not in this run: all stay pending'"
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l wait -d 'Longest wait for an agent to be idle, in seconds' -r
complete -c fleet -n "__fish_fleet_using_subcommand apply" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l move-roster -d 'Accept that the fleet is now described by this roster and no longer by the one it was applied from'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -s y -l yes -d 'Agree to what the plan interrupts or removes'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l overwrite -d 'Replace files of fleet\'s that were edited by hand'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l allow-mass-remove -d 'Agree to the removal of more than half of the agents'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -l fresh -d 'Whoever is started begins a new conversation instead of going on with the old one'
complete -c fleet -n "__fish_fleet_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l restart -d 'When to restart running agents whose settings changed' -r -f -a "idle\t'As soon as the agent is idle; what is not idle in time stays pending'
now\t'At once'
never\t'Not in this run: all stay pending'"
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l wait -d 'Longest wait for an agent to be idle, in seconds' -r
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -s y -l yes -d 'Agree to what the plan interrupts or removes'
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l overwrite -d 'Replace files of fleet\'s that were edited by hand'
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l allow-mass-remove -d 'Agree to the removal of more than half of the agents'
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l fresh -d 'Whoever is started begins a new conversation instead of going on with the old one'
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand history" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand history" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand history" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand history" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand show" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand show" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand show" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand status" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand status" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand status" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand status" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand attach" -l detach-key -d 'The key that leaves, as in ctrl-o. Pressed twice it reaches the agent, before `[` it opens the agent\'s log' -r
complete -c fleet -n "__fish_fleet_using_subcommand attach" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand attach" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand attach" -l watch -d 'Only look: nothing typed reaches the agent'
complete -c fleet -n "__fish_fleet_using_subcommand attach" -l wait -d 'Wait for an agent that does not run, instead of saying so'
complete -c fleet -n "__fish_fleet_using_subcommand attach" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand view" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand view" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand view" -l here -d 'Make the windows in the tmux you are in, instead of on a server of fleet\'s own'
complete -c fleet -n "__fish_fleet_using_subcommand view" -l no-attach -d 'Make the windows, do not show them'
complete -c fleet -n "__fish_fleet_using_subcommand view" -l kill -d 'Take the windows away; with --here, fleet\'s windows in the tmux you are in. No agent notices'
complete -c fleet -n "__fish_fleet_using_subcommand view" -l json -d 'Print JSON, and do not show the windows'
complete -c fleet -n "__fish_fleet_using_subcommand view" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand screen" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand screen" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand screen" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand screen" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand send" -l wait -d 'Longest wait for the message\'s end, in seconds; 0 does not wait. The message waits on in its queue' -r
complete -c fleet -n "__fish_fleet_using_subcommand send" -l ttl -d 'Longest stay in the queue, in seconds; an older message is not delivered' -r
complete -c fleet -n "__fish_fleet_using_subcommand send" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand send" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand send" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand send" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -l state -d 'What the agent does' -r -f -a "beat\t'It is there'
prompt-submitted\t'It took a prompt'
tool\t'It calls a tool, or the tool has ended'
working\t'It is at work'
idle\t'Its turn is over'
waiting\t'It waits for a person'
done\t'Its task is finished'
blocked\t'It cannot go on'"
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -l event -d 'The event that calls this, in the runtime\'s own words' -r
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -l progress -d 'How much the agent has done: any number that grows; else fleet counts' -r
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -l from-hook -d 'Read the JSON that a runtime gives its hooks on standard input: event, conversation, error'
complete -c fleet -n "__fish_fleet_using_subcommand heartbeat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand report" -l note -d 'What there is to say about it, one line of at most 2000 characters' -r
complete -c fleet -n "__fish_fleet_using_subcommand report" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand report" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand report" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand logs" -s n -l lines -d 'Only the last N lines; with --raw, of the bytes' -r
complete -c fleet -n "__fish_fleet_using_subcommand logs" -l death -d 'What was kept when it died: 1 is its last death, 2 the one before' -r
complete -c fleet -n "__fish_fleet_using_subcommand logs" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand logs" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand logs" -l follow -d 'Go on as it prints more, over its restarts too, until you stop it'
complete -c fleet -n "__fish_fleet_using_subcommand logs" -l raw -d 'The bytes as they came, with all that drives a terminal'
complete -c fleet -n "__fish_fleet_using_subcommand logs" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand logs" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand why" -l limit -d 'At most so many steps, the newest ones' -r
complete -c fleet -n "__fish_fleet_using_subcommand why" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand why" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand why" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand why" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand events" -l since -d 'Only since then: so long ago, as in 2h, or a time, as in 2026-01-31T14:00:00Z' -r
complete -c fleet -n "__fish_fleet_using_subcommand events" -l agent -d 'Only about this agent' -r
complete -c fleet -n "__fish_fleet_using_subcommand events" -l rule -d 'Only decisions of this rule, as in restart; with --all also events of this kind' -r
complete -c fleet -n "__fish_fleet_using_subcommand events" -l limit -d 'At most so many, the newest ones; 0: all that are kept' -r
complete -c fleet -n "__fish_fleet_using_subcommand events" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand events" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand events" -l follow -d 'Print new ones as they come, until you stop it'
complete -c fleet -n "__fish_fleet_using_subcommand events" -l all -d 'Also what the supervisor was told, not only what it decided'
complete -c fleet -n "__fish_fleet_using_subcommand events" -l json -d 'Print JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand events" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand messages" -l cancel -d 'Take back a message that waits' -r
complete -c fleet -n "__fish_fleet_using_subcommand messages" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand messages" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand messages" -l unread -d 'Only notices that nobody has read, and messages that have not ended'
complete -c fleet -n "__fish_fleet_using_subcommand messages" -l all -d 'All that are kept, not only the newest'
complete -c fleet -n "__fish_fleet_using_subcommand messages" -l json -d 'Print JSON. Notices stay unread'
complete -c fleet -n "__fish_fleet_using_subcommand messages" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand digest" -l since -d 'Since then: so long ago, as in 2h, or a time, as in 2026-01-31T14:00:00Z' -r
complete -c fleet -n "__fish_fleet_using_subcommand digest" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand digest" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand digest" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand digest" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand clear" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand clear" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand clear" -l all -d 'Every agent of the fleet'
complete -c fleet -n "__fish_fleet_using_subcommand clear" -l journal-lost -d 'Let the supervisor act again after its journal was lost'
complete -c fleet -n "__fish_fleet_using_subcommand clear" -l json -d 'Print the list as JSON'
complete -c fleet -n "__fish_fleet_using_subcommand clear" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -l all -d 'Also those that were accepted or rejected'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -l json -d 'Print the list as JSON, one object a line'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -f -a "roster" -d 'Propose another roster; it is compiled here first'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -f -a "tool" -d 'Propose a better tool or harness; the orchestrator is told'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -f -a "bug" -d 'Report what goes wrong with an agent; its decisions of late go along'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -f -a "show" -d 'Print a proposal'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -f -a "accept" -d 'Accept a proposal: that of a roster is written in its place'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and not __fish_seen_subcommand_from roster tool bug show accept reject" -f -a "reject" -d 'Reject a proposal'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from roster" -l why -d 'What it is good for' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from roster" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from roster" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from roster" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from tool" -l title -d 'One line that says what' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from tool" -l text -d 'The rest; `-` reads it from standard input' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from tool" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from tool" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from tool" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from bug" -l title -d 'One line that says what' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from bug" -l agent -d 'With whom it goes wrong' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from bug" -l text -d 'The rest; `-` reads it from standard input' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from bug" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from bug" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from bug" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from show" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from show" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from accept" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from accept" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from accept" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from reject" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from reject" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from reject" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand propose; and __fish_seen_subcommand_from reject" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand start" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand start" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand start" -l fresh -d 'Begin a new conversation instead of going on with the old one'
complete -c fleet -n "__fish_fleet_using_subcommand start" -l all -d 'Every agent of the fleet'
complete -c fleet -n "__fish_fleet_using_subcommand start" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand start" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand stop" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand stop" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand stop" -l fresh -d 'Begin a new conversation instead of going on with the old one'
complete -c fleet -n "__fish_fleet_using_subcommand stop" -l all -d 'Every agent of the fleet'
complete -c fleet -n "__fish_fleet_using_subcommand stop" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand stop" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand restart" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand restart" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand restart" -l fresh -d 'Begin a new conversation instead of going on with the old one'
complete -c fleet -n "__fish_fleet_using_subcommand restart" -l all -d 'Every agent of the fleet'
complete -c fleet -n "__fish_fleet_using_subcommand restart" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand restart" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand top" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand top" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand top" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand supervise" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand supervise" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand supervise" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand doctor" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand doctor" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand doctor" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -s y -l yes -d 'Agree without being asked'
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -l all -d 'Every fleet that is applied here, as before uninstalling'
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -l keep-logs -d 'Leave the agents\' logs'
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -l overwrite -d 'Remove fleet\'s files even where they were edited by hand'
complete -c fleet -n "__fish_fleet_using_subcommand destroy" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand add" -l kind -d 'What it is in the fleet' -r -f -a "agent\t''
orchestrator\t''
enhancer\t''"
complete -c fleet -n "__fish_fleet_using_subcommand add" -l role -d 'The role of an agent' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l runtime -d 'The agent CLI; else the one of its role or of `defaults`' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l model -d 'The model, in the runtime\'s own words' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l count -d 'Make a group of so many' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l after -d 'Agents or groups that are started first' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l dir -d 'Its working folder, relative to the file it is written into' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l into -d 'The file to write it into, one of the roster\'s own; else its root file' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand add" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand add" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand add" -l dry-run -d 'Show the change, and write nothing'
complete -c fleet -n "__fish_fleet_using_subcommand add" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand remove" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand remove" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand remove" -l dry-run -d 'Show the change, and write nothing'
complete -c fleet -n "__fish_fleet_using_subcommand remove" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand rename" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand rename" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand rename" -l dry-run -d 'Show the change, and write nothing'
complete -c fleet -n "__fish_fleet_using_subcommand rename" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand migrate" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand migrate" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand migrate" -l dry-run -d 'Show the change, and write nothing'
complete -c fleet -n "__fish_fleet_using_subcommand migrate" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand render" -l out -d 'Write every file into this folder; only those that differ are written' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand render" -l stdout -d 'Print the files of this agent' -r
complete -c fleet -n "__fish_fleet_using_subcommand render" -l manager -d 'The service manager to render for' -r -f -a "systemd\t'The systemd user manager'
local\t'Detached processes, for hosts without a user manager'"
complete -c fleet -n "__fish_fleet_using_subcommand render" -l systemd -d 'The version of systemd to render for. `apply` renders for the one it finds' -r
complete -c fleet -n "__fish_fleet_using_subcommand render" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand render" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fleet -n "__fish_fleet_using_subcommand schema" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand schema" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand schema" -l json -d 'Print JSON'
complete -c fleet -n "__fish_fleet_using_subcommand schema" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand completions" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand completions" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand completions" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand man" -l out -d 'Write fleet.1, a page for each command, and fleet.kdl.5 into this folder' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand man" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand man" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand man" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand help" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand help" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand help" -l all -d 'List every command'
complete -c fleet -n "__fish_fleet_using_subcommand help" -s h -l help -d 'Print help'
complete -c fleet -n "__fish_fleet_using_subcommand explain" -s f -l file -d 'The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above' -r -F
complete -c fleet -n "__fish_fleet_using_subcommand explain" -l fleet -d 'An applied fleet, by id; no roster is needed then' -r
complete -c fleet -n "__fish_fleet_using_subcommand explain" -s h -l help -d 'Print help'
