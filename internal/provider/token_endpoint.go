package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// tokenAnswer is what the token endpoint sends (OpenID Connect Core sections 3.1.3.3 and 12.2). Every field is a secret.
type tokenAnswer struct {
	AccessToken  string
	IDToken      string
	RefreshToken string
}

// UnmarshalJSON reads by exact names. A member of another type than it should have counts as missing.
func (t *tokenAnswer) UnmarshalJSON(data []byte) error {
	var c claims
	if err := json.Unmarshal(data, &c); err != nil {
		return errors.New("the answer is no JSON object") // the library's error would quote it
	}
	t.AccessToken, _ = c.text("access_token")
	t.IDToken, _ = c.text("id_token")
	t.RefreshToken, _ = c.text("refresh_token")
	return nil
}

// answerRefused is an answer with an error code (RFC 6749 section 5.2), or with a status that says as much.
type answerRefused struct {
	address     string
	status      int
	code        string
	description string
}

func (e *answerRefused) Error() string {
	return fmt.Sprintf("ask %s: status %d, error %q: %q", e.address, e.status, clip(e.code), clip(e.description))
}

// asRefused finds the provider's refusal in an error.
func asRefused(err error) (*answerRefused, bool) {
	var a *answerRefused
	ok := errors.As(err, &a)
	return a, ok
}

// redeem sends the code, once.
func (r *redirector) redeem(ctx context.Context, m *metadata, code, pkce string) (tokenAnswer, error) {
	return r.tokens(ctx, m, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {r.env.RedirectURI}, "code_verifier": {pkce},
	})
}

// tokens asks the token endpoint.
func (r *redirector) tokens(ctx context.Context, m *metadata, form url.Values) (tokenAnswer, error) {
	var t tokenAnswer
	if err := r.post(ctx, m, m.TokenURL, form, &t); err != nil {
		return tokenAnswer{}, err
	}
	if t.AccessToken == "" {
		return tokenAnswer{}, fmt.Errorf("ask %s: the answer has no access token", m.TokenURL)
	}
	return t, nil
}

// post sends a form as the client, exactly once, and decodes the JSON that comes back. An answer that refuses is an *answerRefused. No
// error holds anything of a good answer.
func (r *redirector) post(ctx context.Context, m *metadata, address string, form url.Values, into any) error {
	form = maps.Clone(form)
	header := http.Header{}
	if err := r.auth.add(m, form, header); err != nil {
		return err
	}
	return postForm(ctx, r.client, address, form, header, into)
}

// postForm is post in nobody's name.
func postForm(ctx context.Context, client *http.Client, address string, form url.Values, header http.Header, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Accept", "application/json")
	req.Header = header
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, bare(err))
	}
	defer res.Body.Close()
	good := res.StatusCode == http.StatusOK || res.StatusCode == http.StatusCreated
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); good && err == nil && kind == "text/html" {
		return fmt.Errorf("ask %s: %w", address, errWebPage)
	}
	if !good {
		var c claims
		_ = json.NewDecoder(res.Body).Decode(&c) // many have no JSON; the status is enough then
		refused := &answerRefused{address: address, status: res.StatusCode}
		refused.code, _ = c.text("error")
		refused.description, _ = c.text("error_description")
		return refused
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("ask %s: decode answer: %w", address, err)
	}
	return nil
}
