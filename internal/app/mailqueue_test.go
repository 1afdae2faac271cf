package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmgate/internal/realtest"
)

// A gateway is killed while the mail server is away; the one that starts after it sends the mail, whose link works.
func TestMailSurvivesAKill(t *testing.T) {
	box, binary, dir := realtest.Mailbox(t), buildBinary(t), t.TempDir()
	gate, away, ops := realtest.Addr(t), realtest.Addr(t), realtest.Addr(t)
	write := func(smtp string) string {
		host, port, _ := strings.Cut(smtp, ":")
		path := filepath.Join(dir, "crmgate.yaml")
		yaml := fmt.Sprintf(`
server: {public_url: "http://%s", listen: %q, ops_listen: %q, data_dir: %s/data}
upstreams: [{id: crm, urls: ["http://127.0.0.1:9"]}]
mail: {from: no-reply@crm.test, smtp: {host: %s, port: %s, security: none}}
`, gate, gate, ops, dir, host, port)
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	command := func(args ...string) string {
		out, err := exec.Command(binary, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("crmgate %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	serve := func(config string) *exec.Cmd {
		cmd := exec.Command(binary, "serve", "-c", config)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		eventually(t, "the gateway to start", func() bool { return get("http://"+ops+"/readyz") != "" })
		return cmd
	}

	config := write(away)
	first := serve(config)
	if out := command("user", "invite", "-c", config, "--email", "pat@partner.test"); !strings.Contains(out, "waits until a running gateway") {
		t.Errorf("the administrator is not told:\n%s", out)
	}
	eventually(t, "a try", func() bool { return strings.Contains(command("mail", "list", "-c", config), "refused") })
	if got := get("http://" + ops + "/metrics"); !strings.Contains(got, "crmgate_mail_queue_length 1") {
		t.Errorf("metrics do not show the waiting mail")
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()

	serve(write(fmt.Sprintf("127.0.0.1:%d", box.PlainPort)))
	link := box.Wait(t, "pat@partner.test", 1)[0].Link(t, "/_gate/invite/")
	if !strings.Contains(get(link), "Set up your account") {
		t.Errorf("the link %s does not work", link)
	}
	eventually(t, "an empty queue", func() bool { return !strings.Contains(command("mail", "list", "-c", config), "pat@") })
	time.Sleep(100 * time.Millisecond)
	if n := len(box.Messages("")); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// get returns a page as a browser with cookies sees it, "" where nobody answers.
func get(address string) string {
	jar := cookies{}
	resp, err := (&http.Client{Jar: jar}).Get(address)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// cookies is a jar that sends everything everywhere.
type cookies map[string]*http.Cookie

func (c cookies) SetCookies(_ *url.URL, set []*http.Cookie) {
	for _, one := range set {
		c[one.Name] = one
	}
}

func (c cookies) Cookies(*url.URL) (all []*http.Cookie) {
	for _, one := range c {
		all = append(all, one)
	}
	return all
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}
