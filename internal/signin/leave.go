package signin

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
)

const (
	// maxHint is the longest ID token that goes into an address, in bytes: beyond that servers on the way refuse it, and the person is
	// left with an error page of the provider's.
	maxHint = 4 << 10
	// leaveWithin is how long a person who has signed out here waits for the provider's address.
	leaveWithin = 3 * time.Second
	// backWithin is how long after that the provider's answer still says something.
	backWithin = 10 * time.Minute
	// endTries and endPause are for a store that does not end sessions at the first try.
	endTries, endPause = 5, 200 * time.Millisecond
	// leavePurpose is what the state of a sign-out is sealed for.
	leavePurpose = "sign_out_state"
)

// leave returns the address of the provider that ends its own session, "" where there is none. Our session has ended already: a provider
// that is slow or down must not keep the person from seeing that.
func (f *Flow) leave(ctx context.Context, s *session.Session) string {
	provider, _ := f.Realms.Get(s.Provider)
	out, ok := provider.(identity.SignOuter)
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	request := identity.SignOut{ReturnTo: f.BaseURL + "/signed-out"}
	if f.Sealer != nil {
		request.State = f.Sealer.Seal(leavePurpose, []byte(strconv.FormatInt(f.now().Unix(), 10)+" "+s.Provider))
	}
	if hint := openIDToken(f.Sealer, s); len(hint) <= maxHint {
		request.IDToken = hint
	}
	there, err := out.SignOutURL(ctx, request)
	if err != nil {
		return ""
	}
	return there
}

// SignedOutAt returns the id of the provider that has just sent a browser back from its own sign-out with a state of ours, "" for every
// other state.
func (f *Flow) SignedOutAt(state string) string {
	if f.Sealer == nil || state == "" {
		return ""
	}
	plain, err := f.Sealer.Open(leavePurpose, state)
	if err != nil {
		return ""
	}
	at, provider, _ := strings.Cut(string(plain), " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if age := f.now().Sub(time.Unix(seconds, 0)); err != nil || age > backWithin || age < -backWithin {
		return ""
	}
	return provider
}

// BackChannel takes a logout token of a provider (OpenID Connect Back-Channel Logout 1.0 section 2.6): fault.Invalid where it is not good
// or was used before, fault.Unavailable where nobody can tell or the sessions could not be ended.
func (f *Flow) BackChannel(ctx context.Context, providerID, logoutToken string) error {
	receiver, err := f.receiver(providerID)
	if err != nil {
		return err
	}
	out, err := receiver.BackChannel(ctx, logoutToken)
	if err != nil {
		return err
	}
	// Remembered a while longer than it is good, for replicas whose clocks differ.
	err = f.Once.UseOnce(ctx, "logout:"+providerID, out.Issuer+"\x00"+out.TokenID, out.Expires.Add(backWithin))
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap(fault.Invalid, "This sign-out was sent before.", err).WithReason("logout_replayed")
	}
	if err != nil {
		return err
	}
	return f.endProvider(ctx, providerID, out, "back_channel")
}

// FrontChannel takes a provider's front-channel request (OpenID Connect Front-Channel Logout 1.0 section 2) and returns the issuer that it
// names. It needs no cookie: browsers send none to a page in another site's frame.
func (f *Flow) FrontChannel(ctx context.Context, providerID string, params url.Values) (issuer string, err error) {
	receiver, err := f.receiver(providerID)
	if err != nil {
		return "", err
	}
	out, err := receiver.FrontChannel(params)
	if err != nil {
		return "", err
	}
	return out.Issuer, f.endProvider(ctx, providerID, out, "front_channel")
}

func (f *Flow) receiver(providerID string) (identity.LogoutReceiver, error) {
	p, _ := f.Realms.Get(providerID)
	r, ok := p.(identity.LogoutReceiver)
	if !ok {
		return nil, fault.New(fault.NotFound, "There is no such provider here.").WithReason("provider_unknown")
	}
	return r, nil
}

// endProvider ends what a provider's sign-out names. Nobody being signed in is as good: the provider must not learn who is.
func (f *Flow) endProvider(ctx context.Context, providerID string, out identity.Logout, how string) error {
	ended, err := f.Sessions.EndProvider(ctx, providerID, out.Issuer, out.Subject, out.Session)
	for try := 1; err != nil && try < endTries; try++ { // the token counts as used, so it cannot be sent again
		time.Sleep(endPause)
		ended, err = f.Sessions.EndProvider(ctx, providerID, out.Issuer, out.Subject, out.Session)
	}
	for _, e := range ended {
		f.Audit.Record(ctx, audit.Event{
			Kind: audit.SessionRevoked, AccountID: e.AccountID, Actor: providerID, Provider: providerID, Reason: how,
		}.From(ctx))
	}
	if f.Count != nil && err == nil {
		f.Count(providerID, how)
	}
	return err
}
