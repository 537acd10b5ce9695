# A tour of pact: `cargo xtask demo --script examples/tour.pact` plays it on a terminal and fails if anything that is
# expected here does not come. A line of it is one of these:
#
#   # text        nothing
#   as alice      log in as this account of the demo's node: alice operates it, bob looks at it
#   pact> text    type this at the prompt, then Enter
#   => text       what that showed has this in it
#   !> text       it has not
#   ends N        the session is over, and `pact` ended with this status

as alice

# Who am I, where am I, what is there?
pact> whoami
  => alice@example.org
  => pact-ops-ml-training
pact> status
  => Node: node042  State: OBSERVE_ONLY  Supervisor: 0 services running
  => ml-training
pact> help
  => dmesg
  => whoami
  !> bash
pact> help grep
  => --extended-regexp

# Looking for what is wrong with a node, as one does.
pact> dmesg | grep -i cpu | tail -5
  !> pact:
pact> cat /proc/meminfo | grep -E 'MemTotal|HugePages_Total'
  => MemTotal:
pact> cat /etc/os-release | grep PRETTY_NAME
  => PRETTY_NAME=
pact> ip -br address show dev lo
  => 127.0.0.1
pact> ps -e | grep -c pact
pact> df -h / | wc -l
  => 2

# Patterns are files, and what they became is on record.
pact> ls /etc/host*
  => /etc/hosts
pact> ls /etc/nothing-is-called-this-*
  => no file matches

# What is not a line of pact is refused as a whole: not even the first program starts.
pact> dmesg ; id
  => ^
  => pact:
  => hint:
  !> uid=
pact> cat /etc/hosts > /tmp/hosts
  => ^
pact> cat $(id)
  => ^
  !> uid=

# What is not on the list is not started, and near names are shown.
pact> sudo id
  => sudo
  !> uid=
pact> unmae
  => uname
pact> uname | sh
  => sh: it is not a whitelisted program
  !> Linux
pact> dmesg -C
  => -C
pact> ip netns exec foo sh
  => pact:
pact> cat /etc/shadow
  => Permission denied

# All of it is on record, the refused lines too.
pact> log -n 100 | grep -F 'dmesg ; id'
  => REFUSED
  => alice@example.org
pact> log -n 100 | grep -F '/etc/host'
  => LINE
pact> log -n 5
  => OUTCOME
pact> exit
ends 0

# A viewer reads the same record.
as bob
pact> whoami
  => bob@example.org
  => pact-viewer-ml-training
pact> log -n 100 | grep -c alice@example.org
pact> uname -s
  => Linux
pact> exit
ends 0
