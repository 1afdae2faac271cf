package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// Binding cookies of the CRM to one session.
//
// A CRM that has a session cookie of its own goes on serving the person it first saw, whatever the identity headers say. So a cookie that
// it sets goes with the session that it was set in, by a tag that only that session has. Two ways, because scripts read cookies:
//   - One that scripts cannot read (HttpOnly), and one that `clear` names, has a tag at the end of its value while the browser has it, made
//     of the session's secret, its name and its value: nobody can put a value there that the CRM did not set in this session. One that
//     `clear` names, in whatever way a CRM may read its name, and that has no tag is not passed on at all.
//   - Any other keeps its value, which the CRM's scripts may compare with what they send (XSRF tokens), and gets a cookie beside it that
//     holds the tag. A script may overwrite the value; a cookie that only scripts made has none beside it and is passed on.
//
// Renaming the cookies would hide them from scripts altogether, and a list of them on the server would be a write for each Set-Cookie.
const (
	// tagMark separates a value from its tag.
	tagMark   = "~crmgate."
	tagLength = 16
	// besidePrefix and a cookie's name are the name of the cookie beside it.
	besidePrefix = "crmgate_bound_"
)

// bond is what cookies are bound to. The key is a secret. The tag is derived from it, the same for all cookies of a session,
// and stands in the cookies beside others.
type bond struct {
	key []byte
	tag string
}

// nobodys is the bond of cookies that are set while nobody is signed in.
var nobodys = newBond("nobody")

func newBond(key string) *bond {
	return &bond{[]byte(key), tag([]byte(key), "cookies of the CRM")}
}

func tag(key []byte, what ...string) string {
	mac := hmac.New(sha256.New, key)
	for _, w := range what {
		mac.Write([]byte(w))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:tagLength*6/8])
}

// seal is the tag of one cookie, read as browsers do: without white space around name and value.
func (b *bond) seal(name, value string) string {
	return tag(b.key, "cookie ", strings.Trim(name, " \t"), "=", strings.Trim(value, " \t"))
}

// bondOf returns the bond of a person's session. Somebody without one (an API client) has one of the account.
func bondOf(p Person) *bond {
	if p.Binding != "" {
		return newBond("session " + p.Binding)
	}
	return newBond("account " + p.ID)
}

func (id *Identity) bondOrNobodys() *bond {
	if id == nil {
		return nobodys
	}
	return id.bond
}

// beside is what a cookie beside another says.
type beside struct {
	name string
	// ours is false where the other was set in another session.
	ours bool
	// expire are the attributes with which the other was set, as far as a browser needs them to find it.
	expire string
}

// unbind returns the Cookie lines as the CRM may see them, and the Set-Cookie lines that remove what belongs to another session. Of
// the gateway's own cookies only those beside others are taken out.
func (u *Upstream) unbind(lines []string, to *bond) (kept, expire []string) {
	var sides []beside
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if b, ok := u.readBeside(pair, to.tag); ok {
				sides = append(sides, b)
			}
		}
	}
	foreign := map[string]bool{}
	for _, b := range sides {
		if !b.ours {
			foreign[b.name] = true
			if b.expire != "" {
				expire = append(expire, b.name+b.expire, besidePrefix+b.name+b.expire)
			}
		}
	}
	for _, line := range lines {
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			if pair, ok := u.passes(strings.Trim(pair, " \t"), to, foreign); ok {
				pairs = append(pairs, pair)
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	return kept, expire
}

// passes returns a cookie as the CRM may see it, or false where it belongs to another session.
func (u *Upstream) passes(pair string, to *bond, foreign map[string]bool) (string, bool) {
	name, value, _ := strings.Cut(pair, "=")
	name = strings.Trim(name, " \t")
	if pair == "" || strings.HasPrefix(name, besidePrefix) {
		return "", false
	}
	if i := len(value) - len(tagMark) - tagLength; i >= 0 && value[i:i+len(tagMark)] == tagMark {
		if hmac.Equal([]byte(value[i+len(tagMark):]), []byte(to.seal(name, value[:i]))) {
			return pair[:len(pair)-len(tagMark)-tagLength], true
		}
		return "", false
	}
	if foreign[name] || u.cfg.Cookies.Bind && (u.declared(name) || u.smuggles(name, value)) {
		return "", false
	}
	return pair, true
}

// smuggles reports whether a cookie holds one that `clear` names, for a CRM that takes more than a ";" for the end of a cookie: a comma (RFC 2109,
// 4.2.2), or white space as Python's http.cookies does. The value of a cookie without a name is one for others.
func (u *Upstream) smuggles(name, value string) bool {
	// The word before an "=" is from start to end; inside is true where it cannot be a name.
	start, end, gap, inside := 0, 0, false, name != ""
	for i := range len(value) {
		switch c := value[i]; {
		case c == '=':
			if !inside && u.declared(value[start:end]) {
				return true
			}
			inside = true
		case c == ',':
			start, end, gap, inside = i+1, i+1, false, false
		case c <= ' ':
			gap = true
		default:
			if gap {
				start, gap, inside = i, false, false
			}
			end = i + 1
		}
	}
	return false
}

// declared reports whether `clear` names a cookie, also in a way in which a CRM may read its name.
func (u *Upstream) declared(name string) bool {
	loose := looseName(name)
	for _, p := range u.cfg.Cookies.Clear {
		if fits(p, name) || fits(looseName(p), loose) {
			return true
		}
	}
	return false
}

// looseName is a cookie's name as the least careful CRM reads it: decoded, without quotes, in any case, and with everything that PHP
// replaces the same; PHP also takes what comes before a "[" for the name.
func looseName(name string) string {
	name = strings.TrimFunc(decodedOnce(name), func(r rune) bool { return r <= ' ' || r == '"' || r == '+' || r == 0xa0 })
	if i := strings.IndexByte(name, '['); i > 0 {
		name = name[:i]
	}
	return strings.ToLower(strings.NewReplacer(".", "_", " ", "_", "+", "_").Replace(name))
}

func (u *Upstream) readBeside(pair, tag string) (beside, bool) {
	name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
	name, ok := strings.CutPrefix(strings.Trim(name, " \t"), besidePrefix)
	if !ok || name == "" {
		return beside{}, false
	}
	its, where, _ := strings.Cut(value, ".")
	b := beside{name: name, ours: hmac.Equal([]byte(its), []byte(tag))}
	// A neighbour host may have put it there: what it says must not reach further than to remove a cookie of the CRM.
	if !b.ours && !u.Names.own(name) {
		b.expire = expiry(where)
	}
	return b, true
}

// bind rewrites the Set-Cookie lines of an answer to a request for path.
func (u *Upstream) bind(lines []string, path string, to *bond) []string {
	var out []string
	for _, line := range lines {
		c := readSetCookie(line)
		switch {
		case c.name == "": // browsers disagree about what it is, and nothing could be bound to it
		case c.httpOnly || u.declared(c.name):
			_, value, _ := strings.Cut(c.pair, "=")
			out = append(out, c.pair+tagMark+to.seal(c.name, value)+c.rest)
		default:
			out = append(out, line, besidePrefix+c.name+"="+to.tag+"."+c.where(path)+c.rest+"; HttpOnly")
		}
	}
	return out
}

// setCookie is a Set-Cookie line taken apart.
type setCookie struct {
	name string
	// pair is name and value, rest everything after them.
	pair, rest                    string
	path, domain                  string
	secure, partitioned, httpOnly bool
}

func readSetCookie(line string) setCookie {
	var c setCookie
	c.pair, c.rest = line, ""
	if i := strings.IndexByte(line, ';'); i >= 0 {
		c.pair, c.rest = line[:i], line[i:]
	}
	c.pair = strings.Trim(c.pair, " \t")
	name, _, ok := strings.Cut(c.pair, "=")
	if ok {
		c.name = strings.TrimRight(name, " \t")
	}
	for attribute := range strings.SplitSeq(c.rest, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		value = strings.Trim(value, " \t")
		switch strings.ToLower(strings.Trim(name, " \t")) {
		case "path":
			c.path = value
		case "domain":
			c.domain = value
		case "secure":
			c.secure = true
		case "partitioned":
			c.partitioned = true
		case "httponly":
			c.httpOnly = true
		}
	}
	return c
}

// where writes what a browser needs to find the cookie again.
func (c setCookie) where(request string) string {
	path := c.path
	if !strings.HasPrefix(path, "/") { // the default (RFC 6265, 5.1.4)
		path = "/"
		if i := strings.LastIndexByte(request, '/'); i > 0 {
			path = request[:i]
		}
	}
	flags := ""
	if c.secure {
		flags += "s"
	}
	if c.partitioned {
		flags += "p"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(flags + " " + c.domain + " " + path))
}

// gone makes a browser forget a cookie.
const gone = "=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"

// expiry returns what follows a cookie's name in a Set-Cookie line that removes it, "" where where makes no sense.
func expiry(where string) string {
	b, err := base64.RawURLEncoding.DecodeString(where)
	if err != nil {
		return ""
	}
	flags, rest, _ := strings.Cut(string(b), " ")
	domain, path, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, notCookieText) || strings.ContainsFunc(domain, notCookieText) {
		return ""
	}
	s := gone + "; Path=" + path
	if domain != "" {
		s += "; Domain=" + domain
	}
	if strings.Contains(flags, "s") {
		s += "; Secure"
	}
	if strings.Contains(flags, "p") {
		s += "; Partitioned"
	}
	return s
}

func notCookieText(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ',' }

// fits reports whether a cookie's name fits a pattern, in which "*" stands for any characters.
func fits(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for i := 0; i <= len(name); i++ {
		if fits(rest, name[i:]) || rest == "" {
			return true
		}
	}
	return false
}

// bindAnswer does to the header of an answer what bind and unbind say; expire comes first, so that what the CRM sets anew stays.
func (u *Upstream) bindAnswer(h http.Header, path Path, id *Identity, expire []string) {
	lines := h["Set-Cookie"]
	if u.cfg.Cookies.Bind && len(lines) > 0 {
		target, _, _ := strings.Cut(path.Target, "?")
		lines = u.bind(lines, target, id.bondOrNobodys())
	}
	if len(expire) > 0 {
		lines = append(expire, lines...)
	}
	if len(lines) > 0 {
		h["Set-Cookie"] = lines
	} else {
		delete(h, "Set-Cookie")
	}
}

// unbindRequest is unbind for the header of a request that is sent on.
func (u *Upstream) unbindRequest(h http.Header, id *Identity) (expire []string) {
	lines := h["Cookie"]
	if !u.Names.bound || len(lines) == 0 {
		return nil
	}
	if h["Cookie"], expire = u.unbind(lines, id.bondOrNobodys()); len(h["Cookie"]) == 0 {
		delete(h, "Cookie")
	}
	return expire
}
