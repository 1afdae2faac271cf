package fakeidp

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Faults is how the provider misbehaves at the moment; the zero value behaves. The edit functions get what is about to be
// sent and may change, add and delete; they may be called concurrently.
type Faults struct {
	// Discovery, Keys, PAR, Token and Userinfo are troubles of one endpoint each.
	Discovery, Keys, PAR, Token, Userinfo Trouble
	// EditDiscovery changes the metadata document.
	EditDiscovery func(map[string]any)
	// EditKeys changes the published keys, newest first; it may return others.
	EditKeys func([]map[string]any) []map[string]any
	// EditResponse changes the parameters of the authorization response.
	EditResponse func(url.Values)
	// EditToken changes a successful answer of the token endpoint.
	EditToken func(map[string]any)
	// EditIDToken changes the claims of an ID token before it is signed. Times are int64 seconds.
	EditIDToken func(map[string]any)
	// EditUserinfo changes the claims of the userinfo endpoint.
	EditUserinfo func(map[string]any)
	// Signing is how ID tokens and logout tokens are signed.
	Signing Signing
	// UserinfoSigning is how signed userinfo answers are signed.
	UserinfoSigning Signing
	// TokenType takes the place of the "typ" header of ID tokens and logout tokens; empty keeps it and "-" leaves it out.
	TokenType string
	// WithoutKid leaves the "kid" header out of ID tokens, logout tokens and signed userinfo answers.
	WithoutKid bool
}

// Trouble is what goes wrong at an endpoint before it answers. Several may be combined; they happen in the order of the fields.
type Trouble struct {
	// Delay is waited before anything else.
	Delay time.Duration
	// Hang keeps the request open until the client leaves or the faults are set again.
	Hang bool
	// Redirect answers 307 with this Location.
	Redirect string
	// Status answers with this status and a short body.
	Status int
	// Body answers 200 with this text as text/html.
	Body string
	// Pad adds a member of so many bytes to the JSON of an otherwise good answer.
	Pad int
}

// Signing is a way to sign a token, wrong but for the first.
type Signing int

// The ways to sign.
const (
	// SignHonestly uses the current key under its published id.
	SignHonestly Signing = iota
	// SignNone says alg "none" and signs nothing.
	SignNone
	// SignHS256Secret is an HMAC under the client's secret.
	SignHS256Secret
	// SignHS256PublicKey is an HMAC under the published public key in PEM (algorithm confusion).
	SignHS256PublicKey
	// SignForeignKey uses a key that is not published under the id of one that is.
	SignForeignKey
	// SignUnknownKid uses a key that is not published under an id that is not either, a new one each time.
	SignUnknownKid
	// SignBroken flips a bit of an honest signature.
	SignBroken
	// SignHeaderJWK uses a foreign key and sends it along in the "jwk" header.
	SignHeaderJWK
	// SignHeaderJKU uses a foreign key and says in the "jku" header where to get it.
	SignHeaderJKU
)

type faultState struct {
	Faults
	released chan struct{} // closed when the next faults come
}

// SetFaults replaces the misbehaviour at once, for requests that start later; requests that hang are let go.
func (s *Server) SetFaults(f Faults) {
	old := s.faults.Swap(&faultState{Faults: f, released: make(chan struct{})})
	close(old.released)
}

// Faults returns the present misbehaviour.
func (s *Server) Faults() Faults { return s.faults.Load().Faults }

// meet lets the trouble happen and reports whether it has answered the request.
func (f *faultState) meet(t Trouble, w http.ResponseWriter, r *http.Request) bool {
	// The server notices a client that leaves only once the body is read.
	if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)); err != nil {
		return true
	}
	if t.Delay > 0 {
		select {
		case <-time.After(t.Delay):
		case <-r.Context().Done():
			return true
		}
	}
	if t.Hang {
		select {
		case <-f.released:
		case <-r.Context().Done():
			return true
		}
	}
	switch {
	case t.Redirect != "":
		w.Header().Set("Location", t.Redirect)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case t.Status != 0:
		http.Error(w, "This provider is in trouble.", t.Status)
	case t.Body != "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// The client may leave; nobody waits for the result.
		_, _ = io.WriteString(w, t.Body)
	default:
		return false
	}
	return true
}

// finish applies an edit and the padding to an answer.
func finish(body map[string]any, edit func(map[string]any), t Trouble) map[string]any {
	if edit != nil {
		edit(body)
	}
	if t.Pad > 0 {
		body["padding"] = strings.Repeat("x", t.Pad)
	}
	return body
}
