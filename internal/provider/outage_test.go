package provider_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func TestProviderComesBack(t *testing.T) {
	p := newParty(t, nil, nil)
	if err := p.idp.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce})
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("AuthURL: %v", err)
		}
		p.clock.advance(7 * time.Second)
	}
	if err := p.idp.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	// Well within the 20 seconds, however long it was away.
	p.clock.advance(5 * time.Second)
	p.mustSignIn()
}

func TestOutageAfterDiscovery(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn()
	params, err := p.respond(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.idp.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = p.Exchange(context.Background(), identity.Callback{Params: params, Nonce: nonce, Verifier: pkce})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("Exchange: %v", err)
	}
	if err := p.idp.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.mustSignIn()
}

func TestTroubleIsNotAskedForByEverybody(t *testing.T) {
	p := newParty(t, nil, nil)
	p.idp.SetFaults(fakeidp.Faults{Discovery: fakeidp.Trouble{Status: 503, Delay: 50 * time.Millisecond}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce}); !fault.Is(err, fault.Unavailable) {
				t.Errorf("AuthURL: %v", err)
			}
		})
	}
	wg.Wait()
	if n := p.idp.Calls(fakeidp.EndpointDiscovery); n != 1 {
		t.Errorf("discovery was asked %d times by 20 requests", n)
	}
}

func TestSomebodyGivesUp(t *testing.T) {
	p := newParty(t, nil, nil)
	p.idp.SetFaults(fakeidp.Faults{Discovery: fakeidp.Trouble{Hang: true}})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.AuthURL(ctx, identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("AuthURL: %v", err)
	}
	p.idp.SetFaults(fakeidp.Faults{}) // lets the question go on
	p.clock.advance(6 * time.Second)
	p.mustSignIn()
}

func TestMetadataAreRenewedDaily(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn()
	p.clock.advance(23 * time.Hour)
	calls := func() (int, int) {
		return p.idp.Calls(fakeidp.EndpointDiscovery), p.idp.Calls(fakeidp.EndpointKeys)
	}
	if d, k := calls(); d != 1 || k != 1 {
		t.Fatalf("discovery %d, keys %d, want one each", d, k)
	}
	p.idp.SetFaults(fakeidp.Faults{Discovery: fakeidp.Trouble{Status: 500}, Keys: fakeidp.Trouble{Status: 500}})
	p.clock.advance(2 * time.Hour)
	address := func() error {
		_, err := p.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce})
		return err
	}
	if err := address(); err != nil {
		t.Errorf("yesterday's metadata do not help out: %v", err)
	}
	waitFor(t, func() bool { d, _ := calls(); return d == 2 })
	p.idp.SetFaults(fakeidp.Faults{})
	waitFor(t, func() bool { // the refused answer may still be on its way, and its pause begins when it is there
		p.clock.advance(11 * time.Minute)
		if err := address(); err != nil {
			t.Error(err)
		}
		d, _ := calls()
		return d == 3
	})
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

func TestKeyRotation(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn()
	for range 3 {
		if err := p.idp.RotateKeys(false); err != nil {
			t.Fatal(err)
		}
		p.mustSignIn()
	}
	if n := p.idp.Calls(fakeidp.EndpointKeys); n != 4 {
		t.Errorf("keys were fetched %d times, want once and once a rotation", n)
	}
}

func TestFiftyBadTokens(t *testing.T) {
	for _, tt := range []struct {
		name  string
		how   fakeidp.Signing
		pause time.Duration // between two
	}{
		{"unknown kid", fakeidp.SignUnknownKid, 0},
		{"unknown kid, over two minutes", fakeidp.SignUnknownKid, 2400 * time.Millisecond},
		{"known kid", fakeidp.SignBroken, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, nil)
			p.mustSignIn()
			p.idp.SetFaults(fakeidp.Faults{Signing: tt.how})
			before := p.idp.Calls(fakeidp.EndpointKeys)
			for range 50 {
				if _, err := p.signIn(); !fault.Is(err, fault.Unauthenticated) {
					t.Fatalf("sign-in: %v", err)
				}
				p.clock.advance(tt.pause)
			}
			if n := p.idp.Calls(fakeidp.EndpointKeys) - before; n < 1 || n > 10 {
				t.Errorf("fifty bad tokens cause %d fetches", n)
			}
			p.idp.SetFaults(fakeidp.Faults{})
			p.mustSignIn()
			// A genuine rotation is not shut out for long.
			if err := p.idp.RotateKeys(false); err != nil {
				t.Fatal(err)
			}
			p.clock.advance(8 * time.Second) // the last of the bad ones may just have used what there was
			p.mustSignIn()
		})
	}
}

// Tokens that strangers send must not keep the keys of a rotation from those who sign in, not even while they come.
func TestStrangersDoNotDelayARotation(t *testing.T) {
	p := newParty(t, nil, openAPI)
	p.mustSignIn()
	p.idp.SetFaults(fakeidp.Faults{Signing: fakeidp.SignUnknownKid})
	before := p.idp.Calls(fakeidp.EndpointKeys)
	for range 50 {
		raw, err := p.idp.AccessToken("crm", "u-ann", apiAudience, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Redirector.(identity.TokenVerifier).VerifyBearer(t.Context(), raw); !fault.Is(err, fault.Unauthenticated) {
			t.Fatal(err)
		}
	}
	if n := p.idp.Calls(fakeidp.EndpointKeys) - before; n < 2 || n > 10 {
		t.Errorf("fifty bad tokens cause %d fetches", n)
	}
	p.idp.SetFaults(fakeidp.Faults{})
	if err := p.idp.RotateKeys(false); err != nil {
		t.Fatal(err)
	}
	p.mustSignIn()
}

func TestKeysCannotBeHad(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults fakeidp.Faults
	}{
		{"500", fakeidp.Faults{Keys: fakeidp.Trouble{Status: 500}}},
		{"over 1 MB", fakeidp.Faults{Keys: fakeidp.Trouble{Pad: 1 << 20}}},
		{"not JSON", fakeidp.Faults{Keys: fakeidp.Trouble{Body: "<p>Hello"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil, nil)
			p.idp.SetFaults(tt.faults)
			if _, err := p.signIn(); !fault.Is(err, fault.Unavailable) {
				t.Errorf("without keys: %v", err)
			}
			p.idp.SetFaults(fakeidp.Faults{})
			p.clock.advance(6 * time.Second)
			p.mustSignIn()
		})
	}
}

func TestKeysAreRenewedDaily(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn()
	p.clock.advance(25 * time.Hour)
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
		c["iat"], c["exp"] = p.clock.now().Unix(), p.clock.now().Add(time.Minute).Unix()
	}})
	p.mustSignIn()
	if n := p.idp.Calls(fakeidp.EndpointKeys); n != 2 {
		t.Errorf("keys were fetched %d times, want again after a day: a withdrawn key must die", n)
	}
}
