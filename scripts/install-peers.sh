#!/bin/sh
# Install the programs that the tests talk to, if this is root on a system with apt; otherwise say what is missing.
#
# Always ends with success: a test whose program is missing skips and says so. Asks nothing, starts no daemon.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# command (or file):package:what the tests do with it
modules=${KAMAILIO_MODULES:-/usr/lib/*/kamailio/modules}
peers="kamailio:kamailio:registrar_and_proxy_to_interoperate_with
$modules/tls.so:kamailio-tls-modules:the_same_by_TLS
sipp:sip-tester:call_scenarios_and_load
sipsak:sipsak:a_client_that_listens_on_another_port
promtool:prometheus:checks_of_metrics_and_alerts
nft:nftables:packet_loss_and_NAT_in_network_namespaces
baresip:baresip-core:a_phone_with_audio_and_ICE
turnserver:coturn:a_STUN_server_and_its_client
ip:iproute2:network_namespaces
conntrack:conntrack:a_NAT_that_forgets
tcpdump:tcpdump:captures_for_the_doctor
$modules/websocket.so:kamailio-websocket-modules:browsers_without_the_proxy
chromium:chromium:a_real_browser
node:nodejs:steers_the_browser
npm:npm:installs_SIP.js_and_JsSIP"

exists() {
    [ -e "$1" ]
}

missing_packages=""
missing_lines=""
for peer in $peers; do
    command=${peer%%:*}
    rest=${peer#*:}
    package=${rest%%:*}
    command -v "$command" >/dev/null 2>&1 && continue
    # shellcheck disable=SC2086  # the wildcards are meant
    case $command in /*) exists $command && continue ;; esac
    missing_packages="$missing_packages $package"
    missing_lines="$missing_lines
  $command (package $package): $(echo "${rest#*:}" | tr _ ' ')"
done
[ -n "$missing_packages" ] || exit 0

say_missing() {
    echo "=============================================================================" >&2
    echo "Missing programs; the tests that need them WILL BE SKIPPED:$missing_lines" >&2
    echo "$1" >&2
    echo "=============================================================================" >&2
    exit 0
}

command -v apt-get >/dev/null 2>&1 || say_missing "There is no apt-get here: install them by hand."
[ "$(id -u)" -eq 0 ] || say_missing "As root: apt-get install --no-install-recommends$missing_packages"

# Packages of servers start them when they are installed. invoke-rc.d asks this script first; 101 means "not now".
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing$missing_packages"
apt-get -qq update </dev/null || say_missing "apt-get update failed (see above)."

available=""
for package in $missing_packages; do
    if apt-cache policy "$package" | grep -q 'Candidate: [0-9]'; then
        available="$available $package"
    else
        echo "This system's package sources have no $package; its tests will be skipped." >&2
    fi
done
[ -n "$available" ] || say_missing "None of them is in this system's package sources."

# shellcheck disable=SC2086 # a list of package names
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install $available </dev/null >/dev/null ||
    say_missing "apt-get install failed (see above)."

# Not at the next boot either: these are here to be started by tests, on ports of their own.
if [ -d /run/systemd/system ]; then
    for package in $available; do
        case $package in
            kamailio | prometheus | nftables | coturn) systemctl disable --quiet "$package" 2>/dev/null || true ;;
        esac
    done
fi
