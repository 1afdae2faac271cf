package config

import (
	"os"
	"testing"
	"time"
)

func FuzzLoad(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(oneProvider + "factor: trust}\n"))
	f.Add([]byte("a: &a [*a]\nserver: *a\n"))
	f.Add([]byte("server: {public_url: \"${A}$${B}\", tls: {acme: {domains: [x]}}}\n---\n"))
	f.Add([]byte("access: {rules: [{allow: anyone}, {allow: {groups: [a]}}, ~, !!map {}]}\n? [a]\n: b\n"))
	f.Add([]byte("redis: {password_file: pw, password: \"\\0\"}\nlocal: {invitation_lifetime: 1d12h}\n"))
	if b, err := os.ReadFile("../../config/crmgate.yaml"); err == nil {
		f.Add(b)
	}
	fsys := memory(map[string]string{"/etc/crmgate/pw": canary})
	env := environment(map[string]string{"A": canary})
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		cfg, r := load("c.yaml", data, fsys, env)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		if (cfg != nil) != r.OK() {
			t.Errorf("config %v beside %d faults", cfg != nil, r.Faults())
		}
		for _, finding := range r.Findings {
			if finding.Message == "" || finding.Line < 0 || finding.Message == "cannot be decoded" {
				t.Errorf("finding %+v", finding)
			}
			_ = finding.String()
		}
	})
}
