package realtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	browserTimeout = time.Minute // one action, including the loading that it causes
	turnTimeout    = 2 * time.Second
	quietTime      = 100 * time.Millisecond
)

// Browser is a headless Chromium with one page and a profile of its own. Open two for two people.
//
// Selectors are CSS. Methods wait until the element is visible, and end the test with the selector and the page's address if
// it does not come; the page then is among the artifacts as failed-<test>.png. Not safe for concurrent use.
type Browser struct {
	t    testing.TB
	ctx  context.Context
	seen *observations
}

// observations is what the page's events tell.
type observations struct {
	mainFrame string

	mu      sync.Mutex
	loading bool
	errors  []string
}

// Open starts a browser on an empty page at desktop size in light colours, and closes it when the test ends.
func Open(t testing.TB) *Browser {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)),
		// The tests' authorities are in no store that Chromium reads, and it reaches nobody but the tests (see below).
		chromedp.IgnoreCertErrors,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Nothing but loopback: a test that reaches for the internet fails on every machine, not only on a closed one.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	}
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium's sandbox refuses to run as root
	}
	// Not t.Context, which ends before cleanups run: the browser would die with an error instead of being closed.
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(opts...))
	b := &Browser{t: t, ctx: ctx, seen: &observations{}}
	t.Cleanup(func() {
		closing, done := context.WithTimeout(ctx, stopTimeout)
		defer done()
		if err := chromedp.Cancel(closing); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("close browser: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil { // starts it; a deadline on this first call would later end the browser
		t.Fatalf("start chromium: %v", err)
	}
	b.seen.mainFrame = string(chromedp.FromContext(ctx).Target.TargetID)
	if err := chromedp.Listen(ctx, b.seen.take); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	b.Desktop()
	b.Dark(false)
	return b
}

// In returns the same browser for a subtest, whose failures then are the subtest's.
func (b *Browser) In(t testing.TB) *Browser {
	return &Browser{t: t, ctx: b.ctx, seen: b.seen}
}

// Go loads an address and waits for it, with whatever redirects and scripts lead on from it.
func (b *Browser) Go(url string) {
	b.t.Helper()
	b.act("load "+url, chromedp.Navigate(url))
	b.settle("load " + url)
}

// Fill replaces what a field holds by typing text.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	empty := "document.querySelector(" + strconv.Quote(selector) + ").value = ''" // the driver's own SetValue cannot
	b.act("fill "+selector, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Evaluate[chromedp.Void](empty),
		chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Click clicks an element with the mouse and waits for the page it leads to, if any.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.act("click "+selector, chromedp.Click(chromedp.CSS(selector)))
	b.settle("click " + selector)
}

// Wait returns as soon as an element is visible.
func (b *Browser) Wait(selector string) {
	b.t.Helper()
	b.act("wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Text returns the visible text of an element, trimmed.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return strings.TrimSpace(ask(b, "read "+selector, chromedp.Text(chromedp.CSS(selector), chromedp.NodeVisible)))
}

// URL returns the address in the address bar.
func (b *Browser) URL() string {
	b.t.Helper()
	return ask(b, "read the address", chromedp.Location())
}

// HTML returns the whole document as it stands now.
func (b *Browser) HTML() string {
	b.t.Helper()
	return ask(b, "read the document", chromedp.OuterHTML(chromedp.CSS("html"), chromedp.NodeReady))
}

// Eval evaluates a JavaScript expression, awaits it if it is a promise, and returns its value as String(value) gives it.
// A content security policy does not hinder it.
func (b *Browser) Eval(js string) string {
	b.t.Helper()
	return ask(b, "evaluate "+js, chromedp.Evaluate[string]("(async () => String(await ("+js+")))()", chromedp.EvalAwaitPromise))
}

// Desktop makes the window 1280 by 800; a browser starts so.
func (b *Browser) Desktop() {
	b.t.Helper()
	b.act("resize", chromedp.EmulateViewport(1280, 800))
}

// Phone makes the window a telephone's, 390 by 844 with touch.
func (b *Browser) Phone() {
	b.t.Helper()
	b.act("resize", chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
}

// Dark switches between the dark and the light colour scheme.
func (b *Browser) Dark(on bool) {
	b.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	b.act("choose colours", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

// Screenshot keeps the whole page as artifact name.png.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	Artifact(b.t, name, ask(b, "take a screenshot", chromedp.FullScreenshot(100)))
}

// Errors returns what the page's scripts and its content security policy complained of since the browser was opened.
func (b *Browser) Errors() []string {
	b.seen.mu.Lock()
	defer b.seen.mu.Unlock()
	return slices.Clone(b.seen.errors)
}

// Artifact keeps a picture for people to look at: as name.png in ARTIFACTS_DIR, or in artifacts at the top of the repository.
func Artifact(t testing.TB, name string, png []byte) {
	t.Helper()
	dir := os.Getenv("ARTIFACTS_DIR")
	if dir == "" {
		dir = filepath.Join(root(t), "artifacts")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("keep artifact: %v", err)
	}
	file := strings.NewReplacer("/", "-", " ", "-").Replace(name) + ".png"
	if err := os.WriteFile(filepath.Join(dir, file), png, 0o644); err != nil {
		t.Fatalf("keep artifact: %v", err)
	}
}

// take receives every event of the page, in order and on the driver's goroutine.
func (o *observations) take(event any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := event.(type) {
	case *page.EventFrameRequestedNavigation:
		o.loading = o.loading || string(e.FrameID) == o.mainFrame
	case *page.EventFrameStartedLoading:
		o.loading = o.loading || string(e.FrameID) == o.mainFrame
	case *page.EventFrameStoppedLoading:
		o.loading = o.loading && string(e.FrameID) != o.mainFrame
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text = e.ExceptionDetails.Exception.Description
		}
		o.errors = append(o.errors, text)
	case *log.EventEntryAdded:
		// The network source only repeats status codes, and a refusal's page has one too.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			o.errors = append(o.errors, e.Entry.Text)
		}
	}
}

func (o *observations) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loading
}

// settle waits until nothing has been loading for a moment: a click may start a navigation, and its page another one.
func (b *Browser) settle(what string) {
	b.t.Helper()
	b.turn()
	deadline := time.Now().Add(browserTimeout)
	for quietSince := time.Now(); time.Since(quietSince) < quietTime; time.Sleep(quietTime / 10) {
		if b.seen.busy() {
			quietSince = time.Now()
		}
		if time.Now().After(deadline) {
			b.fail(what, errors.New("the page does not finish loading"))
		}
	}
}

// turn waits until the page has done what it had begun, also on a busy machine: what a click leads to is queued before this. Its answer is
// none where the page goes away meanwhile.
func (b *Browser) turn() {
	ctx, cancel := context.WithTimeout(b.ctx, turnTimeout)
	defer cancel()
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[string]("new Promise(done => setTimeout(() => setTimeout(() => done(''))))", chromedp.EvalAwaitPromise))
}

func (b *Browser) act(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ask(b, what, chromedp.Steps(steps...))
}

// ask runs one action within the time limit.
func ask[T any](b *Browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserTimeout)
	defer cancel()
	got, err := chromedp.Run(ctx, action)
	if err != nil {
		b.fail(what, err)
	}
	return got
}

// fail ends the test with the page's address, and keeps a picture of the page.
func (b *Browser) fail(what string, err error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserTimeout/4)
	defer cancel()
	url, unknown := chromedp.Run(ctx, chromedp.Location())
	if unknown != nil {
		url = "an unknown page"
	}
	if png, none := chromedp.Run(ctx, chromedp.FullScreenshot(100)); none == nil {
		Artifact(b.t, "failed-"+b.t.Name(), png)
	}
	b.t.Fatalf("%s on %s: %v", what, url, err)
}

// chromium finds the browser under the names that distributions give it.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := lookPath(name); err == nil {
			return path
		}
	}
	missing(t, "Chromium", "apt-get install chromium fonts-dejavu-core")
	return ""
}
