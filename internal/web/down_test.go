package web_test

import (
	"net/http"
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func unreachable(v *world) {
	v.Local = true
	v.flow.err = fault.New(fault.Unavailable, "Contoso cannot be reached at the moment.").WithReason(identity.ReasonUnreachable).WithNext(fault.NextSignIn)
}

// A provider that does not answer: whose trouble it is, the same way again to where the person was going, and the other ways in.
func TestProviderDown(t *testing.T) {
	const again, other = `href="/_gate/sign-in/contoso?return_to=%2Fdeals"`, `href="/_gate/sign-in?return_to=%2Fdeals&amp;switch=1"`
	tests := []struct {
		name, method, target, body string
		change                     func(*world)
		want, wantNot              []string
	}{
		{"by address", "POST", "/_gate/sign-in", "identifier=ann@contoso.com&return_to=/deals", nil, []string{"Contoso does not answer", "Your password is not the reason", again, other, "user name"}, nil},
		{"by button", "GET", "/_gate/sign-in/contoso?return_to=/deals", "", nil, []string{"Contoso does not answer", again, other}, nil},
		{"on the way back", "GET", "/_gate/callback/contoso?code=x&state=y", "", nil, []string{"Contoso does not answer", `href="/_gate/sign-in/contoso"`}, nil},
		{"a directory", "POST", "/_gate/sign-in/password", "identifier=ann&password=x&provider=staff", nil, []string{"Staff directory does not answer", `href="/_gate/sign-in/staff"`}, nil},
		{"the only way in", "POST", "/_gate/sign-in", "identifier=ann@contoso.com", func(v *world) { v.Direct, v.Local = "contoso", false }, []string{"Contoso does not answer"}, []string{"another way", "user name"}},
		{"other trouble stays as it is", "POST", "/_gate/sign-in", "identifier=ann@contoso.com", func(v *world) {
			v.flow.err = fault.New(fault.Unavailable, "The store is away.")
		}, []string{"The store is away."}, []string{"does not answer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newWorld(t)
			unreachable(v)
			if tt.change != nil {
				tt.change(v)
			}
			rec := v.do(tt.method, tt.target, tt.body)
			if rec.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", rec.Code)
			}
			for _, want := range tt.want {
				if !strings.Contains(rec.Body.String(), want) {
					t.Errorf("no %q in %s", want, rec.Body)
				}
			}
			for _, not := range tt.wantNot {
				if strings.Contains(rec.Body.String(), not) {
					t.Errorf("%q in %s", not, rec.Body)
				}
			}
		})
	}
}
