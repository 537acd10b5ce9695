# A tour of pact: `cargo xtask demo --script examples/tour.pact` plays it on a terminal and fails if anything that is
# expected here does not come. A line of it is one of these:
#
#   # text        nothing
#   as alice      log in as this account of the demo's node: alice operates it, bob looks at it
#   at alice      sit down at this administrator's workstation, in bash: alice operates the node, carol all of the site
#   pact> text    type this at the prompt of pact, then Enter
#   $> text       type this at the prompt of the workstation's shell, then Enter
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

# The other way in: a workstation, which is no node, over the network and with a token. One line there.
at alice
$> pact exec node042 -- uname -s
  => Linux
$> pact exec node042 -- cat /etc/os-release | grep -c PRETTY_NAME
  => 1
$> printf 'one\ntwo\n' | pact exec node042 -- wc -l
  => 2
$> pact exec 'node[041-042]' -- uname -s; echo "status $?"
  => [node042] Linux
  => node041: no node of this name has connected
  => status 5
$> pact exec node042 --output json -- uname -s
  => "exit_code":0
$> pact exec node042 -- sudo id; echo "status $?"
  => sudo
  => status 6
  !> uid=

# The same prompt as on the node, and the same refusals.
$> pact shell node042
pact> whoami
  => alice@example.org
  => ticket of the journal
pact> dmesg | grep -i cpu | tail -5
  !> pact:
pact> dmesg ; id
  => ^
  => pact:
  !> uid=
pact> log -n 100 | grep -F 'dmesg ; id'
  => REFUSED
pact> exit

# What the journal itself is asked: records of every node, and how the site is.
$> pact log -n 100 | grep -c node042
  !> 0
$> pact status --vcluster ml-training
  => node042
$> pact cluster
  => member
$> pact revoke alice@example.org -m mistake; echo "status $?"
  => status 2
$> exit
ends 0

# Carol may do that. It ends what alice has open, and nothing opens for her until she has a newer token.
at carol
$> pact revoke alice@example.org -m 'her laptop is lost'
  => alice@example.org
$> pact log -n 5 --kind REVOKE
  => alice@example.org
$> exit
ends 0
at alice
$> pact exec node042 -- uname -s; echo "status $?"
  => status 2
  !> Linux
$> exit
ends 0
