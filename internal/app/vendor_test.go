package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crmgate/internal/fakeidp"
)

// vendor is what only one maker's provider does:
//
//	idp refuse CODE TEXT                     answers every sign-in with an error; without a code it stops that
//	idp entra TENANT [overage]               makes tokens of that tenant, for people whose password ends in three days; groups are then left out of them
//	idp graph STATUS                         has Microsoft Graph answer with a status; 0 heals it
//	idp universal-logout FORMAT WHO STATUS   sends Okta's word that all sessions of somebody are to end, twice: the second time it is a replay
func (w *world) vendor(ts *testscript.TestScript, args []string) error {
	switch args[0] {
	case "refuse":
		f := fakeidp.Faults{}
		if len(args) > 1 {
			f.EditResponse = func(v url.Values) {
				v.Del("code")
				v.Set("error", args[1])
				v.Set("error_description", args[2])
			}
		}
		w.idp.SetFaults(f)
		return nil
	case "entra":
		w.idp.SetVendor(fakeidp.Vendor{Overage: len(args) > 2})
		w.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
			c["tid"], c["oid"] = args[1], fmt.Sprintf("5a5a5a5a-6b6b-7c7c-8d8d-%012x", c["sub"])[:36]
			c["pwd_exp"], c["pwd_url"] = int64((3*24*time.Hour + time.Hour).Seconds()), "https://mysignins.microsoft.com/security-info/password/change"
		}})
		return nil
	case "graph":
		status := 0
		if _, err := fmt.Sscan(args[1], &status); err != nil {
			return err
		}
		w.idp.SetVendor(fakeidp.Vendor{Overage: true, Groups: fakeidp.Trouble{Status: status}})
		return nil
	case "universal-logout":
		return w.sendUniversal(ts.Getenv("GATE")+"/_gate/logout/universal/contoso", args[1], args[2], args[3])
	}
	return fmt.Errorf("idp knows no %q", args[0])
}

func (w *world) sendUniversal(to, format, who, want string) error {
	now := time.Now()
	bearer, err := w.idp.RevocationToken("global-token-revocation+jwt", map[string]any{
		"iss": w.idp.Issuer(), "sub": "crm", "aud": to, "jti": fmt.Sprint("j-", now.UnixNano()),
		"iat": now.Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"sub_id":{"format":"email","email":%q}}`, who)
	if format == "iss_sub" {
		body = fmt.Sprintf(`{"sub_id":{"format":"iss_sub","iss":%q,"sub":%q}}`, w.idp.Issuer(), who)
	}
	for _, want := range []string{want, "401"} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, to, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+bearer)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if fmt.Sprint(resp.StatusCode) != want {
			return fmt.Errorf("the request is answered with %d, want %s", resp.StatusCode, want)
		}
	}
	return nil
}
