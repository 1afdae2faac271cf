package policy

import "net/netip"

// networks asks for a client address in any of a list of networks.
type networks struct {
	prefixes []netip.Prefix
	text     string
}

func newNetworks(list []string) networks {
	n := networks{text: anyOf("the network", "networks", list)}
	for _, s := range list {
		if p, ok := parseNetwork(s); ok {
			n.prefixes = append(n.prefixes, p)
		}
	}
	return n
}

func (n networks) holds(s Subject) bool {
	a, err := netip.ParseAddr(s.Address)
	if err != nil {
		return false
	}
	// An IPv4 address within IPv6 is the same client.
	a = a.Unmap().WithZone("")
	for _, p := range n.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (n networks) wants() string { return n.text }

func (networks) aspect() Aspect { return FromNetwork }

// parseNetwork reads a network (10.0.0.0/8) or a single address; false for what is neither or has bits set beyond its length.
func parseNetwork(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), a.Zone() == ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() {
		return netip.Prefix{}, false
	}
	if a := p.Addr(); a.Is4In6() {
		return netip.PrefixFrom(a.Unmap(), max(0, p.Bits()-96)), p.Bits() >= 96
	}
	return p, true
}
