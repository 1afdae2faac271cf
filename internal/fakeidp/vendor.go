package fakeidp

import (
	"crypto"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Vendor is what only one maker's provider has beside the standard; the zero value has none of it and leaves the endpoints empty. A
// person's groups are User.Groups.
type Vendor struct {
	// Overage leaves the groups out of ID tokens and says so as Entra ID does beyond 200.
	Overage bool
	// NoPersonalGraph and NoApplicationGraph refuse Microsoft Graph to the person's token and to the application's. What the application may
	// do stands in its token: one that it got before the consent stays without it.
	NoPersonalGraph, NoApplicationGraph bool
	// PageSize is how many groups a page holds; 0 is 2.
	PageSize int
	// NextPage replaces the address of Graph's next page.
	NextPage string
	// ServiceKey verifies the assertions of Google's service account; nil knows no service account.
	ServiceKey crypto.PublicKey
	// Groups are troubles of every endpoint that tells groups.
	Groups Trouble
	// EditGroups changes a page of groups.
	EditGroups func(map[string]any)
}

// The endpoints that Calls counts.
const (
	EndpointGraph         = "graph"
	EndpointDirectory     = "directory"
	EndpointCloudIdentity = "cloud-identity"
	EndpointServiceToken  = "service-token"
)

// The access tokens of programs. This is a stage set.
const (
	graphToken     = "graph-application-token"
	powerlessToken = "graph-application-token-without-roles"
	googleToken    = "google-service-token "
)

// SetVendor replaces what one maker has.
func (s *Server) SetVendor(v Vendor) { s.vendor.Store(&v) }

func (s *Server) vendorRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /graph/v1.0/me/transitiveMemberOf", s.count(EndpointGraph, s.graphMe))
	mux.HandleFunc("GET /graph/v1.0/users/{object}/transitiveMemberOf", s.count(EndpointGraph, s.graphUser))
	mux.HandleFunc("GET /google/admin/directory/v1/groups", s.count(EndpointDirectory, s.directoryGroups))
	mux.HandleFunc("GET /google/v1/groups/-/memberships:searchTransitiveGroups", s.count(EndpointCloudIdentity, s.transitiveGroups))
	mux.HandleFunc("POST /google/token", s.count(EndpointServiceToken, s.serviceToken))
}

// vendorClaims turns honest claims into one maker's.
func (s *Server) vendorClaims(claims map[string]any) {
	if s.vendor.Load().Overage {
		delete(claims, "groups")
		claims["_claim_names"] = map[string]any{"groups": "src1"}
		// As old as the real one: whoever follows it is lost.
		claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": "https://graph.windows.net/x/users/y/getMemberObjects"}}
	}
}

// applicationToken answers the client credentials grant (RFC 6749 section 4.4) and reports whether it was that.
func (s *Server) applicationToken(req TokenRequest, scope string) (int, map[string]any, bool) {
	if req.GrantType != "client_credentials" {
		return 0, nil, false
	}
	if scope != s.base+"/graph/.default" {
		status, body := tokenError("invalid_scope")
		return status, body, true
	}
	token := graphToken
	if s.vendor.Load().NoApplicationGraph {
		token = powerlessToken
	}
	return http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600}, true
}

func (s *Server) graphMe(w http.ResponseWriter, r *http.Request) {
	v := s.vendor.Load()
	s.mu.Lock()
	g := s.accesses[bearer(r)]
	s.mu.Unlock()
	if g == nil || v.NoPersonalGraph {
		graphError(w, g == nil)
		return
	}
	u, _ := s.userWithSubject(g.subject)
	s.graphPage(w, r, v, u)
}

func (s *Server) graphUser(w http.ResponseWriter, r *http.Request) {
	v := s.vendor.Load()
	if token := bearer(r); token != graphToken {
		graphError(w, token != powerlessToken)
		return
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.users, func(u User) bool { return u.Claims["oid"] == r.PathValue("object") })
	var u User
	if i >= 0 {
		u = s.users[i]
	}
	s.mu.Unlock()
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	s.graphPage(w, r, v, u)
}

func graphError(w http.ResponseWriter, unknown bool) {
	status, code := http.StatusForbidden, "Authorization_RequestDenied"
	if unknown {
		status, code = http.StatusUnauthorized, "InvalidAuthenticationToken"
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": "No."}})
}

// graphPage is one page: groups, and now and then something that is no group.
func (s *Server) graphPage(w http.ResponseWriter, r *http.Request, v *Vendor, u User) {
	if s.faults.Load().meet(v.Groups, w, r) {
		return
	}
	page, next := v.page(u.Groups, r.URL.Query().Get("$skiptoken"))
	value := []map[string]any{{"@odata.type": "#microsoft.graph.directoryRole", "id": "a-role", "displayName": "Global Administrator"}}
	for _, name := range page {
		value = append(value, map[string]any{"@odata.type": "#microsoft.graph.group", "id": name, "displayName": "Team " + name})
	}
	body := map[string]any{"value": value}
	if next != "" {
		q := r.URL.Query()
		q.Set("$skiptoken", next)
		body["@odata.nextLink"] = s.base + r.URL.Path + "?" + q.Encode()
		if v.NextPage != "" {
			body["@odata.nextLink"] = v.NextPage
		}
	}
	writeJSON(w, http.StatusOK, finish(body, v.EditGroups, v.Groups))
}

// page cuts a list at a cursor.
func (v *Vendor) page(all []string, cursor string) (page []string, next string) {
	size := v.PageSize
	if size == 0 {
		size = 2
	}
	from, _ := strconv.Atoi(cursor) // the first page has none
	from = min(max(from, 0), len(all))
	to := min(from+size, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next
}

// serviceToken is the JWT bearer grant (RFC 7523 section 2.1) of a service account in an administrator's name.
func (s *Server) serviceToken(w http.ResponseWriter, r *http.Request) {
	v := s.vendor.Load()
	if err := r.ParseForm(); err != nil || v.ServiceKey == nil || r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		writeTokenError(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	var claims struct {
		Iss, Sub, Scope, Aud string
		Exp, Iat             int64
	}
	t, err := jose.ParseSignedCompact(r.PostFormValue("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err == nil {
		var payload []byte
		if payload, err = t.Verify(v.ServiceKey); err == nil {
			err = json.Unmarshal(payload, &claims)
		}
	}
	now := s.now().Unix()
	if err != nil || claims.Iss == "" || claims.Sub == "" || claims.Scope == "" || claims.Aud != s.base+"/google/token" || claims.Exp < now || claims.Exp > now+3600 {
		writeTokenError(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"access_token": googleToken + claims.Scope, "token_type": "Bearer", "expires_in": 3600})
}

// directoryGroups is groups.list of the Admin SDK for one member.
func (s *Server) directoryGroups(w http.ResponseWriter, r *http.Request) {
	u, ok := s.userWithSubject(r.URL.Query().Get("userKey"))
	s.googlePage(w, r, u, ok, "admin.directory.group.readonly", "groups", func(name string) map[string]any {
		return map[string]any{"kind": "admin#directory#group", "email": googleAddress(name), "name": "Team " + name}
	})
}

// transitiveGroups is searchTransitiveGroups of Cloud Identity.
func (s *Server) transitiveGroups(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.URL.Query().Get("query"), "member_key_id == '")
	email, labels, _ := strings.Cut(rest, "' && ")
	u, ok := s.userNamed(strings.ReplaceAll(email, `\'`, "'"))
	ok = ok && labels == "'cloudidentity.googleapis.com/groups.discussion_forum' in labels"
	s.googlePage(w, r, u, ok, "cloud-identity.groups.readonly", "memberships", func(name string) map[string]any {
		return map[string]any{"groupKey": map[string]any{"id": googleAddress(name)}, "displayName": "Team " + name}
	})
}

func googleAddress(name string) string { return url.PathEscape(name) + "@Groups.example" }

func (s *Server) googlePage(w http.ResponseWriter, r *http.Request, u User, known bool, scope, member string, entry func(string) map[string]any) {
	v := s.vendor.Load()
	if s.faults.Load().meet(v.Groups, w, r) {
		return
	}
	switch {
	case bearer(r) != googleToken+"https://www.googleapis.com/auth/"+scope:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"status": "UNAUTHENTICATED"}})
		return
	case !known:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": map[string]any{"status": "NOT_FOUND"}})
		return
	}
	page, next := v.page(u.Groups, r.URL.Query().Get("pageToken"))
	var entries []map[string]any
	for _, name := range page {
		entries = append(entries, entry(name))
	}
	body := map[string]any{}
	if entries != nil {
		body[member] = entries
	}
	if next != "" {
		body["nextPageToken"] = next
	}
	writeJSON(w, http.StatusOK, finish(body, v.EditGroups, v.Groups))
}

func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// RevocationToken signs claims as Okta's servers do for Universal Logout. The header's "typ" may be empty.
func (s *Server) RevocationToken(typ string, claims map[string]any) (string, error) {
	return s.issue(s.faults.Load().Faults, Client{}, typ, claims)
}
