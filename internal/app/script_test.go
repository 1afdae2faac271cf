package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crmgate/internal/app"
	"crmgate/internal/config"
	"crmgate/internal/fakeidp"
	"crmgate/internal/realtest"
)

// TestScripts runs the journeys in testdata/script: each is a configuration, what people and administrators do, and what they
// must see. The gateway runs in this process (so the race detector sees it), `crmgate` commands in processes of their own
// beside it, mail goes over real SMTP.
func TestScripts(t *testing.T) {
	binary := buildBinary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			w, err := newWorld(t, env)
			if err != nil {
				return err
			}
			env.Values[worldKey{}] = w
			env.Defer(w.close)
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gateway": command((*world).cmdGateway), "browser": command((*world).cmdBrowser), "open": command((*world).cmdOpen),
			"click": command((*world).cmdClick), "submit": command((*world).cmdSubmit), "status": command((*world).cmdStatus),
			"url": command((*world).cmdURL), "see": see, "crm-saw": command((*world).cmdCRMSaw), "mail": command((*world).cmdMail),
			"no-mail": command((*world).cmdNoMail), "pause": command((*world).cmdPause), "soon": command((*world).cmdSoon), "idp": command((*world).cmdIDP),
			"header": command((*world).cmdHeader), "fetch": command((*world).cmdFetch), "logged": logged, "race": command((*world).cmdRace),
			"totp": command((*world).cmdTOTP), "code": command((*world).cmdCode), "sms": command((*world).cmdSMS), "submit-to": command((*world).cmdSubmitTo),
			"assertion": command((*world).cmdAssertion), "send": command((*world).cmdSend), "capture": command((*world).cmdCapture), "idp-token": command((*world).cmdIDPToken),
		},
	})
}

// buildBinary builds the command once for all journeys.
func buildBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crmgate")
	if out, err := exec.Command("go", "build", "-o", path, "crmgate/cmd/crmgate").CombinedOutput(); err != nil {
		t.Fatalf("build crmgate: %v\n%s", err, out)
	}
	return path
}

type worldKey struct{}

// world is everything around one gateway.
type world struct {
	t        *testing.T
	gate     net.Listener
	idp      *fakeidp.Running
	crm      *httptest.Server
	mailbox  *realtest.Inbox
	log      *lockedBuffer
	stop     context.CancelFunc
	done     chan error
	browsers map[string]*browser
	b        *browser
	lastMail realtest.Message
	phone    phone
	read     map[string]int

	mu   sync.Mutex
	seen []http.Header
}

func newWorld(t *testing.T, env *testscript.Env) (*world, error) {
	w := &world{t: t, browsers: map[string]*browser{}, log: &lockedBuffer{}, read: map[string]int{}}
	var err error
	if w.gate, err = net.Listen("tcp", realtest.Addr(t)); err != nil {
		return nil, err
	}
	gate := "http://" + w.gate.Addr().String()
	w.idp, err = fakeidp.Listen(fakeidp.Config{
		Issuer: "/contoso", Algs: []string{"ES256"}, Name: "Contoso",
		Address: realtest.Addr(t), // so that it can come back after it was down
		Clients: []fakeidp.Client{{
			ID: "crm", Secret: "crm-secret", RedirectURIs: []string{gate + "/_gate/callback/contoso", gate + "/_gate/callback/second"},
			PostLogoutRedirectURIs: []string{gate + "/_gate/signed-out"},
			BackchannelLogoutURI:   gate + "/_gate/logout/backchannel/contoso",
		}},
		Users: []fakeidp.User{
			{Subject: "u-ann", Email: "ann@contoso.test", Username: "ann", Password: "ann-password", Name: "Ann Archer", Groups: []string{"sales", "crm-admins"}},
			{Subject: "u-bob", Email: "bob@contoso.test", Username: "bob", Password: "bob-password", Name: "Bob Baker", Groups: []string{"sales"}},
			{Subject: "u-kim", Email: "kim@fabrikam.test", Username: "kim", Password: "kim-password", Name: "Kim Kane", Groups: []string{"sales"}},
		},
	})
	if err != nil {
		return nil, err
	}
	w.crm = httptest.NewServer(http.HandlerFunc(w.serveCRM))
	w.mailbox = realtest.Mailbox(t)
	w.use("")
	for k, v := range map[string]string{
		"SMS": w.phone.start(w.t), "GATE": gate, "IDP": w.idp.Issuer(), "CRM": w.crm.URL, "SMTP_HOST": w.mailbox.Host, "SMTP_PORT": strconv.Itoa(w.mailbox.Port),
		"SMTP_USER": w.mailbox.Username, "SMTP_PASSWORD": w.mailbox.Password, "SMTP_CA": w.mailbox.CAFile,
	} {
		env.Setenv(k, v)
	}
	return w, nil
}

// serveCRM records what reached the CRM and answers with it.
func (w *world) serveCRM(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen = append(w.seen, r.Header.Clone())
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(rw, "<!doctype html><title>CRM</title><p>CRM page %s for %s</p>", r.URL.RequestURI(), r.Header.Get("X-Forwarded-Email"))
}

func (w *world) close() {
	if w.stop != nil {
		w.stop()
		if err := <-w.done; err != nil {
			w.t.Errorf("gateway ended with %v", err)
		}
	}
	w.crm.Close()
	_ = w.idp.Close()
}

func (w *world) use(name string) {
	b, ok := w.browsers[name]
	if !ok {
		b = newBrowser(w.t)
		w.browsers[name] = b
	}
	w.b = b
}

// command adapts a command that needs no negation.
func command(do func(*world, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		err := do(ts.Value(worldKey{}).(*world), ts, args)
		switch {
		case neg && err == nil:
			ts.Fatalf("succeeded, and should not have")
		case !neg && err != nil:
			ts.Fatalf("%v", err)
		}
	}
}

// cmdGateway starts the gateway from crmgate.yaml, after the script's environment is put into it: `gateway`. With a file it starts from that
// one, and where a gateway is running it takes its place: `gateway FILE`.
func (w *world) cmdGateway(ts *testscript.TestScript, args []string) error {
	if err := w.giveWay(); err != nil {
		return err
	}
	path := ts.MkAbs(append(args, "crmgate.yaml")[0])
	cfg, report := config.Load(path, func(name string) (string, bool) { v := ts.Getenv(name); return v, v != "" })
	if !report.OK() {
		return fmt.Errorf("configuration: %v", report.Findings)
	}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := app.Open(context.Background(), cfg, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.done = stop, make(chan error, 1)
	go func() { w.done <- a.Serve(ctx, w.gate) }()
	return w.b.open(ts.Getenv("GATE") + "/_gate/signed-out")
}

// cmdBrowser switches to another browser: `browser NAME`.
func (w *world) cmdBrowser(ts *testscript.TestScript, args []string) error {
	w.use(args[0])
	if w.b.url == nil {
		return w.b.open(ts.Getenv("GATE") + "/_gate/signed-out")
	}
	return nil
}

func (w *world) cmdOpen(_ *testscript.TestScript, args []string) error { return w.b.open(args[0]) }

func (w *world) cmdClick(_ *testscript.TestScript, args []string) error { return w.b.click(args[0]) }

// cmdSubmit fills a form: `submit name=value ...`, or that with an address: `submit to:/account/name name=value`.
func (w *world) cmdSubmit(_ *testscript.TestScript, args []string) error {
	fields, action := map[string]string{}, ""
	for _, a := range args {
		if to, ok := strings.CutPrefix(a, "to:"); ok {
			action = to
			continue
		}
		k, v, _ := strings.Cut(a, "=")
		fields[k] = v
	}
	return w.b.submitTo(action, fields)
}

func (w *world) cmdStatus(_ *testscript.TestScript, args []string) error {
	if got := fmt.Sprint(w.b.status); got != args[0] {
		return fmt.Errorf("status of %s is %s, want %s\n%s", w.b.url, got, args[0], w.b.parse().text)
	}
	return nil
}

func (w *world) cmdURL(_ *testscript.TestScript, args []string) error {
	if !regexp.MustCompile(args[0]).MatchString(w.b.url.String()) {
		return fmt.Errorf("at %s, want %s\n%s", w.b.url, args[0], w.b.parse().text)
	}
	return nil
}

// see looks for text on the page: `see TEXT`, `! see TEXT`.
func see(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*world)
	text := w.b.parse().text
	if found := strings.Contains(text, args[0]) || strings.Contains(w.b.body, args[0]); found == neg {
		ts.Fatalf("page %s (%d): see %q is %v\n%s", w.b.url, w.b.status, args[0], found, text)
	}
}

// logged looks for text in the gateway's log, and waits for it: `logged TEXT`, `! logged TEXT`.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*world)
	for end := time.Now().Add(time.Minute); !neg && !strings.Contains(w.log.String(), args[0]) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if found := strings.Contains(w.log.String(), args[0]); found == neg {
		ts.Fatalf("log: %q is there: %v\n%s", args[0], found, w.log.String())
	}
}

func (w *world) cmdHeader(_ *testscript.TestScript, args []string) error {
	if got := w.b.header.Get(args[0]); !strings.Contains(got, args[1]) {
		return fmt.Errorf("header %s is %q, want %q in it", args[0], got, args[1])
	}
	return nil
}

// cmdCRMSaw checks a header of the CRM's last request: `crm-saw NAME VALUE`.
func (w *world) cmdCRMSaw(_ *testscript.TestScript, args []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return errors.New("nothing reached the CRM")
	}
	if got := strings.Join(w.seen[len(w.seen)-1].Values(args[0]), " | "); got != args[1] {
		return fmt.Errorf("the CRM saw %s: %q, want %q", args[0], got, args[1])
	}
	return nil
}

// cmdMail waits for the next mail to an address: `mail ADDRESS TEXT...` checks text in it; `mail ADDRESS link` opens its link,
// `mail ADDRESS withdraw` the one that withdraws.
func (w *world) cmdMail(ts *testscript.TestScript, args []string) error {
	if kinds := map[string]string{"link": "reset|invite", "withdraw": "withdraw", "not-me": "not-me"}; len(args) == 2 && kinds[args[1]] != "" {
		link := regexp.MustCompile(regexp.QuoteMeta(ts.Getenv("GATE")) + `/_gate/(` + kinds[args[1]] + `)/[\w-]{43}`).FindString(w.lastMail.Text)
		if link == "" {
			return fmt.Errorf("no link in\n%s", w.lastMail.Text)
		}
		ts.Setenv("LINK", link)
		return w.b.open(link)
	}
	m, ok := w.nextMail(args[0], len(args) > 1 && args[1] == newSignIn, time.Minute)
	if !ok {
		return fmt.Errorf("no mail for %s", args[0])
	}
	w.lastMail = m
	for _, want := range args[1:] {
		if !strings.Contains(m.Subject+"\n"+m.Text, want) {
			return fmt.Errorf("no %q in\n%s\n%s", want, m.Subject, m.Text)
		}
	}
	return nil
}

// cmdNoMail checks that no further mail came: `no-mail ADDRESS`, or none about a sign-in: `no-mail ADDRESS 'New sign-in'`.
func (w *world) cmdNoMail(_ *testscript.TestScript, args []string) error {
	if m, ok := w.nextMail(args[0], len(args) > 1, 700*time.Millisecond); ok {
		return fmt.Errorf("a mail came: %s", m.Subject)
	}
	return nil
}

// newSignIn begins the subject of the mails about new browsers and networks. They come whenever a script signs in with a second browser, so
// they are read apart: by scripts that ask for them with these words.
const newSignIn = "New sign-in"

// nextMail returns the oldest mail to an address that the script has not read yet.
func (w *world) nextMail(to string, notices bool, patience time.Duration) (realtest.Message, bool) {
	key := fmt.Sprint(to, notices)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		all := slices.DeleteFunc(w.mailbox.Messages(to), func(m realtest.Message) bool { return strings.HasPrefix(m.Subject, newSignIn) != notices })
		if len(all) > w.read[key] {
			w.read[key]++
			return all[w.read[key]-1], true
		}
		if time.Now().After(end) {
			return realtest.Message{}, false
		}
	}
}

func (w *world) cmdPause(_ *testscript.TestScript, args []string) error {
	d, err := time.ParseDuration(args[0])
	time.Sleep(d)
	return err
}

// cmdSoon repeats a question until the answer is right, for what a pause is long enough for on a machine that is not busy: `soon fetch ...`,
// `soon send ...`.
func (w *world) cmdSoon(ts *testscript.TestScript, args []string) (err error) {
	ask := map[string]func(*world, *testscript.TestScript, []string) error{"fetch": (*world).cmdFetch, "send": (*world).cmdSend}[args[0]]
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = ask(w, ts, args[1:]); err == nil {
			return nil
		}
	}
	return err
}

// cmdFetch asks as a script in the page does: `fetch PATH STATUS [TEXT | NAME:=VALUE]...` with texts to see and headers to send.
func (w *world) cmdFetch(ts *testscript.TestScript, args []string) error {
	req, err := http.NewRequest(http.MethodGet, ts.Getenv("GATE")+args[0], nil)
	if err != nil {
		return err
	}
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Accept", "*/*")
	for _, h := range args[2:] {
		if name, value, ok := strings.Cut(h, ":="); ok {
			req.Header.Set(name, value)
		}
	}
	for _, c := range w.b.client.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if got := fmt.Sprint(resp.StatusCode); got != args[1] {
		return fmt.Errorf("status %s, want %s\n%s", got, args[1], body)
	}
	for _, want := range args[2:] {
		if !strings.Contains(want, ":=") && !strings.Contains(string(body), want) {
			return fmt.Errorf("no %q in %s", want, body)
		}
	}
	return nil
}

// cmdRace sends the page's form many times at once and demands that exactly one lands on the wanted page: `race N TEXT name=value...`.
func (w *world) cmdRace(_ *testscript.TestScript, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, a := range args[2:] {
		k, v, _ := strings.Cut(a, "=")
		fields[k] = v
	}
	racers := make([]browser, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range racers {
		racers[i] = *w.b
		// All share one jar: it is one person's link, opened twenty times.
		client := *w.b.client
		client.CheckRedirect = func(req *http.Request, _ []*http.Request) error { navigate(req); return nil }
		racers[i].client = &client
		wg.Go(func() { errs[i] = racers[i].submit(fields) })
	}
	wg.Wait()
	won := 0
	for _, r := range racers {
		if strings.Contains(r.parse().text, args[1]) {
			won++
		}
	}
	if won != 1 || errors.Join(errs...) != nil {
		return fmt.Errorf("%d of %d saw %q, want one (%v)", won, n, args[1], errors.Join(errs...))
	}
	return nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
