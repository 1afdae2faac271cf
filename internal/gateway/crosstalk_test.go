package gateway_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestNobodyIsTakenForAnother lets many people ask at once, over few connections, and looks at whom the CRM was told about.
func TestNobodyIsTakenForAnother(t *testing.T) {
	up := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, payload, _ := strings.Cut(r.Header.Get("X-Crmgate-Assertion"), ".")
		payload, _, _ = strings.Cut(payload, ".")
		claims, _ := base64.RawURLEncoding.DecodeString(payload)
		fmt.Fprintf(w, "%s %s %v %s", r.Header.Get("X-Forwarded-User"), r.Header.Get("X-Forwarded-Groups"),
			strings.Contains(string(claims), `"sub":"`+r.Header.Get("X-Forwarded-User")+`"`), r.Header.Get("Cookie"))
	}))
	g := guard(t, "http://"+up, nil)
	const people, requests = 16, 40
	for i := range people {
		s := annSession()
		s.ID, s.AccountID, s.Groups = fmt.Sprintf("%032x", i), fmt.Sprintf("account-%d", i), []string{fmt.Sprintf("group-%d", i)}
		g.sessions.put(fmt.Sprint("p", i), s)
	}
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 4}}
	t.Cleanup(client.CloseIdleConnections)
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			for j := range requests {
				r, _ := http.NewRequest("GET", "http://"+g.addr+"/x", nil)
				r.Header.Set("Cookie", fmt.Sprintf("own=%d; crmgate_session=p%d; j=%d", i, i, j))
				res, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if want := fmt.Sprintf("account-%d group-%d true own=%d; j=%d", i, i, i, j); string(body) != want {
					t.Errorf("the CRM was told %q, want %q", body, want)
				}
			}
		})
	}
	wg.Wait()
}
