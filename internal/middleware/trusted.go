package middleware

import (
	"fmt"
	"net/netip"
	"strings"

	"crmgate/internal/fault"
)

// ParseProxies reads `server.trusted_proxies`: networks (10.0.0.0/8) and single addresses.
func ParseProxies(list []string) ([]netip.Prefix, fault.Problems) {
	var prefixes []netip.Prefix
	var ps fault.Problems
	for i, s := range list {
		at := fmt.Sprintf("[%d]", i)
		p, err := netip.ParsePrefix(s)
		if addr, e := netip.ParseAddr(s); e == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			hint := "Write an address or a network, such as 10.0.0.5 or 10.0.0.0/8."
			if strings.ContainsAny(s, "ghijklmnopqrstuvwxyz*") {
				hint = "Names are not looked up: whoever answers for the name would be believed. " + hint
			}
			ps.Add(at, hint, "%q is not a network", s)
			continue
		case p.Bits() == 0:
			ps.Add(at, "Name the proxies in front of the gateway.", "%s believes everybody: any client could choose its own address", s)
			continue
		case p != p.Masked():
			ps.Add(at, "Write "+p.Masked().String()+".", "%s has bits set beyond its length", s)
			continue
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, ps
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddress reads an address as proxies write it: with or without port, in brackets or not, IPv4 within IPv6. A zone is dropped.
func parseAddress(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}
