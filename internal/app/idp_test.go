package app_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"crmgate/internal/fakeidp"
)

// cmdIDP is what happens at the corporate provider:
//
//	idp down, idp up                         stops and starts it
//	idp groups PERSON A,B                    changes somebody's groups
//	idp disable PERSON, idp enable PERSON    as an administrator there does
//	idp token STATUS                         has the token endpoint answer with a status; 0 heals it
//	idp refreshed N [MOST]                   demands that refresh tokens were used N times so far, or up to MOST times
//	idp sid PERSON                           puts the name of their session into $SID
//	(and what one maker alone does: vendor_test.go)
//	idp logout-token SUBJECT SID STATUS      sends a logout token twice: the first time it is answered with STATUS, then with 400
func (w *world) cmdIDP(ts *testscript.TestScript, args []string) error {
	edit := func(change func(*fakeidp.User)) error { return w.idp.UpdateUser(args[1], change) }
	switch args[0] {
	case "down":
		return w.idp.Stop()
	case "up":
		return w.idp.Start(context.Background())
	case "groups":
		return edit(func(u *fakeidp.User) { u.Groups = strings.Split(args[2], ",") })
	case "disable", "enable":
		return edit(func(u *fakeidp.User) { u.Disabled = args[0] == "disable" })
	case "token":
		status, err := strconv.Atoi(args[1])
		w.idp.SetFaults(fakeidp.Faults{Token: fakeidp.Trouble{Status: status}})
		return err
	case "refreshed":
		n := 0
		for _, r := range w.idp.TokenRequests() {
			if r.GrantType == "refresh_token" {
				n++
			}
		}
		least, err := strconv.Atoi(args[1])
		most, err2 := strconv.Atoi(args[len(args)-1])
		if n < least || n > most {
			return fmt.Errorf("refreshed %d times, want %s", n, args[1:])
		}
		return errors.Join(err, err2)
	case "sid":
		sids := w.idp.SessionIDs(args[1])
		if len(sids) != 1 {
			return fmt.Errorf("%s has %d sessions there, want one", args[1], len(sids))
		}
		ts.Setenv("SID", sids[0])
		return nil
	case "logout-token":
		return w.sendLogout(ts.Getenv("GATE")+"/_gate/logout/backchannel/contoso", args[1], args[2], args[3])
	}
	return w.vendor(ts, args)
}

func (w *world) sendLogout(to, subject, sid, want string) error {
	token, err := w.idp.LogoutToken("crm", subject, sid, nil)
	if err != nil {
		return err
	}
	for _, want := range []string{want, "400"} {
		status, err := fakeidp.SendLogout(context.Background(), to, token)
		if err != nil || fmt.Sprint(status) != want {
			return fmt.Errorf("the logout token is answered with %d, want %s (%v)", status, want, err)
		}
	}
	return nil
}
