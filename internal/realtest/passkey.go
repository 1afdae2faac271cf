package realtest

import (
	"context"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Authenticator is a virtual authenticator in a Browser: a screen lock that always says yes.
type Authenticator struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// Authenticator plugs a virtual authenticator in. The page's host must have a name: passkeys belong to names, so open localhost and
// not its address.
func (b *Browser) Authenticator() *Authenticator {
	b.t.Helper()
	id := ask(b, "plug an authenticator in", chromedp.Action[webauthn.AuthenticatorID](func(ctx context.Context, _ *chromedp.Target) (webauthn.AuthenticatorID, error) {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return "", err
		}
		r, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return r.AuthenticatorID, err
	}))
	return &Authenticator{b: b, id: id}
}

// Present makes somebody touch it, or nobody.
func (a *Authenticator) Present(yes bool) {
	a.b.t.Helper()
	a.b.act("touch the authenticator or not", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: yes})
		return err
	}))
}

// Rewind sets the counter of every key back, as a copy of the device would have it.
func (a *Authenticator) Rewind() {
	a.b.t.Helper()
	a.b.act("rewind the keys", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		list, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id})
		if err != nil {
			return err
		}
		for _, k := range list.Credentials {
			never := 0.0
			if _, err := chromedp.Call(ctx, webauthn.SetCredentialProperties, webauthn.SetCredentialPropertiesParams{
				AuthenticatorID: a.id, CredentialID: k.CredentialID, SignCount: &never,
			}); err != nil {
				return err
			}
		}
		return nil
	}))
}
