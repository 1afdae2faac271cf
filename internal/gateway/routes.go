package gateway

import (
	"slices"
	"strings"

	"crmgate/internal/proxy"
)

// Routes finds the upstream of a request.
type Routes struct {
	// byHost holds, for each host that an upstream names, its routes and those for every host; everywhere holds the latter alone.
	byHost     map[string][]route
	everywhere []route
	// asIs is true where any upstream takes paths as they are.
	asIs bool
}

type route struct {
	// prefix has no slash at its end; the empty one covers every path.
	prefix   string
	upstream *proxy.Upstream
	id       string
	// index is the upstream's place in the list that NewRoutes got.
	index int
	// asIs and fold are the upstream's paths_as_is and ignore_case.
	asIs, fold bool
}

// NewRoutes prepares the table. Of two prefixes that match, the longer one wins; of two alike, the one that names the host.
func NewRoutes(upstreams []*proxy.Upstream) *Routes {
	t := &Routes{byHost: map[string][]route{}}
	for i, u := range upstreams {
		cfg := u.Config()
		t.asIs = t.asIs || cfg.PathsAsIs
		for _, p := range cfg.Paths {
			rt := route{strings.TrimSuffix(p, "/"), u, cfg.ID, i, cfg.PathsAsIs, cfg.IgnoreCase}
			if len(cfg.Hosts) == 0 {
				t.everywhere = append(t.everywhere, rt)
			}
			for _, h := range cfg.Hosts {
				t.byHost[bareHost(h)] = append(t.byHost[bareHost(h)], rt)
			}
		}
	}
	longer := func(a, b route) int { return len(b.prefix) - len(a.prefix) }
	slices.SortStableFunc(t.everywhere, longer)
	for h, routes := range t.byHost {
		t.byHost[h] = append(routes, t.everywhere...)
		slices.SortStableFunc(t.byHost[h], longer)
	}
	return t
}

// match returns the route of a canonical path, or nil.
func (t *Routes) match(host, path string) *route {
	routes := t.everywhere
	if len(t.byHost) > 0 {
		if of, ok := t.byHost[bareHost(host)]; ok {
			routes = of
		}
	}
	for i := range routes {
		if below(path, routes[i].prefix) {
			return &routes[i]
		}
	}
	return nil
}

// Find returns the upstream of a host and a canonical path, or nil.
func (t *Routes) Find(host, path string) *proxy.Upstream {
	if rt := t.match(host, path); rt != nil {
		return rt.upstream
	}
	return nil
}

// names reports whether an upstream names the host.
func (t *Routes) names(host string) bool { _, ok := t.byHost[bareHost(host)]; return ok }

// below reports whether a path is prefix or lies under it, segment by segment.
func below(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}

// bareHost returns a host in small letters without port and without the dot of a fully qualified name.
func bareHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
