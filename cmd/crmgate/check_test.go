package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"crmgate/internal/config"
)

const soundFile = `server: {public_url: "https://crm.example.com"}
upstreams: [{id: crm, urls: ["http://127.0.0.1:8069"]}]
mail: {from: crm@example.com, smtp: {host: mail.example.com}}
`

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "crmgate.yaml")
	online := func(context.Context, *config.Config) []config.Finding {
		return []config.Finding{{Path: "mail.smtp.host", Message: "does not answer"}}
	}
	tests := []struct {
		name           string
		file           string // empty: no file at all
		args           []string
		code           int
		stdout, stderr string
	}{
		{"sound", soundFile, []string{"-c", name}, 0, name + ": no fault.\n", ""},
		{"warning", soundFile + "access: {rules: [{name: a, allow: signed_in}, {name: b, allow: anyone}]}\n", []string{"-c", name}, 0,
			name + `:4: warning: access.rules[1]: rule "b" never decides: rules[0] ("a") matches first whatever it would match (The first match decides. Move the narrower rule up, or remove it.)` + "\n",
			name + ": no fault, 1 warning.\n"},
		{"fault", soundFile + "nope: 1\n", []string{"-c", name}, 1, name + ":4: nope: unknown key\n",
			name + ": 1 fault; the lines above say where and what to do.\n"},
		{"failing access test", soundFile + "access:\n  tests:\n    - {email: a@example.com, request: GET /, expect: deny}\n", []string{"-c", name}, 1,
			name + `:6: access.tests[0]: GET /: expected deny, got allow (Decided by "default": `, name + ": 1 fault;"},
		{"online", soundFile, []string{"-c", name, "--online"}, 1, name + ":3: mail.smtp.host: does not answer\n", name + ": 1 fault;"},
		{"online is not asked with a fault", soundFile + "nope: 1\n", []string{"-c", name, "--online"}, 1, name + ":4: nope: unknown key\n", name + ": 1 fault;"},
		{"no such file", "", []string{"-c", filepath.Join(dir, "none")}, 1, filepath.Join(dir, "none") + ": cannot be read: there is no such file\n", filepath.Join(dir, "none") + ": 1 fault;"},
		{"no flag", soundFile, nil, 2, "", ""},
		{"unknown flag", soundFile, []string{"--nope"}, 2, "", ""},
		{"argument", soundFile, []string{name}, 2, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(name, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			cmd := checkCommand(online)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
			cmd.SetOut(&stdout)
			cmd.SetErr(&stderr)
			cmd.SetArgs(append([]string{}, tt.args...))
			err := cmd.ExecuteContext(t.Context())
			var exit exitError
			if errors.As(err, &exit); exit.code != tt.code || (err == nil) != (tt.code == 0) {
				t.Errorf("exit code %d, want %d (%v)", exit.code, tt.code, err)
			}
			if (tt.code == 2) != (exit.err != nil) {
				t.Errorf("the error that main prints is %v", exit.err)
			}
			if !strings.HasPrefix(stdout.String(), tt.stdout) || (tt.stdout == "") != (stdout.Len() == 0) {
				t.Errorf("stdout %q, want %q", &stdout, tt.stdout)
			}
			if !strings.HasPrefix(stderr.String(), tt.stderr) || (tt.stderr == "") != (stderr.Len() == 0) {
				t.Errorf("stderr %q, want %q", &stderr, tt.stderr)
			}
		})
	}
}

func TestCheckJSON(t *testing.T) {
	name := filepath.Join(t.TempDir(), "crmgate.yaml")
	type answer struct {
		File     string           `json:"file"`
		OK       bool             `json:"ok"`
		Findings []config.Finding `json:"findings"`
	}
	tests := []struct {
		name, file string
		want       answer
	}{
		{"sound", soundFile, answer{File: name, OK: true, Findings: []config.Finding{}}},
		{"fault", soundFile + "log: {lvel: info}\n", answer{File: name, Findings: []config.Finding{
			{File: name, Line: 4, Column: 7, Path: "log.lvel", Message: "unknown key", Hint: `Did you mean "level"?`}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(name, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			err := check{file: name, json: true, env: os.LookupEnv}.run(t.Context(), &stdout, &stderr)
			if (err == nil) != tt.want.OK {
				t.Errorf("error %v", err)
			}
			var got answer
			if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
				t.Fatalf("%v in %s", err, &stdout)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSchemaCommand(t *testing.T) {
	var stdout bytes.Buffer
	cmd := newSchemaCommand()
	cmd.SetOut(&stdout)
	cmd.SetArgs([]string{})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../config/crmgate.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stdout.Bytes(), want) {
		t.Error("crmgate schema prints something else than config/crmgate.schema.json")
	}
}

// What would keep serve from starting is found by check, which is asked so that the restart is no surprise.
func TestCheckFindsWhatKeepsServeFromStarting(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("junk.pem", "junk")
	write("tpl/pages/help.html", `{{define "title"}}x{{end}}{{define "main"}}{{ {{end}}`)
	const head = "local: {reset: {enabled: false}}\nupstreams: [{id: crm, urls: [\"https://127.0.0.1:8069\"]%s}]\n"
	for _, tt := range []struct{ name, yaml, want string }{
		{"the gateway's certificate", "server: {public_url: http://127.0.0.1, tls: {cert_file: junk.pem, key_file: junk.pem}}\n" + fmt.Sprintf(head, ""), ":1: server.tls.cert_file: cannot be used"},
		{"the CRM's authorities", "server: {public_url: http://127.0.0.1}\n" + fmt.Sprintf(head, ", tls: {ca_file: junk.pem}"), ":3: upstreams[0].tls: cannot be used"},
		{"the certificate for the CRM", "server: {public_url: http://127.0.0.1}\n" + fmt.Sprintf(head, ", tls: {cert_file: junk.pem, key_file: junk.pem}"), ":3: upstreams[0].tls: cannot be used"},
		{"a page of one's own", "server: {public_url: http://127.0.0.1}\n" + fmt.Sprintf(head, "") + "branding: {templates_dir: tpl}\n", ":4: branding.templates_dir: cannot be used"},
		{"a filter beside the file", "server: {public_url: http://127.0.0.1}\nupstreams: [{id: crm, urls: [\"http://127.0.0.1:1\"]}]\nlocal: {password: {breach_check: junk.pem}, reset: {enabled: false}}\n",
			":3: local.password.breach_check: this is no filter file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write("crmgate.yaml", tt.yaml)
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"check", "-c", filepath.Join(dir, "crmgate.yaml")}, &stdout, &stderr)
			if code != 1 || !strings.Contains(stdout.String(), tt.want) || strings.Count(stdout.String(), "\n") != 1 {
				t.Errorf("exit %d, want 1 and only %q:\n%s%s", code, tt.want, &stdout, &stderr)
			}
		})
	}
}
