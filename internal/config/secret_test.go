package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const canary = "kanarienvogel-7391"

// No way of getting a secret wrong may show it.
func TestSecretsStaySecret(t *testing.T) {
	files := map[string]string{"/etc/crmgate/pw": canary, "/etc/crmgate/long": canary + strings.Repeat("x", maxSecret)}
	env := map[string]string{"CANARY": canary}
	tests := map[string]string{
		"plain":                     "redis: {password: " + canary + "}\nnope: 1\n",
		"from the environment":      "redis: {password: \"${CANARY}\"}\nnope: 1\n",
		"from a file":               "redis: {password_file: pw}\nnope: 1\n",
		"both":                      "redis: {password: " + canary + ", password_file: pw}\n",
		"file too long":             "redis: {password_file: long}\n",
		"a list":                    "redis: {password: [" + canary + "]}\n",
		"a mapping":                 "redis: {password: {" + canary + ": x}}\n",
		"looks like an alias":       "redis: {password: *" + canary + "}\n",
		"looks like an anchor":      "redis: {password: &" + canary + "}\nnope: 1\n",
		"looks like a tag":          "redis: {password: !" + canary + "}\n",
		"looks like a variable":     "redis: {password: \"x${kanarienvogel_7391}\"}\n",
		"holds a malformed one":     "redis: {password: \"${" + canary + "\"}\n",
		"looks like a directive":    "redis: {password: %" + canary + "}\n",
		"begins with a backtick":    "redis: {password: `" + canary + "}\n",
		"colon inside":              "redis:\n  password: " + canary + ": x\n",
		"open quote":                "redis:\n  password: \"" + canary + "\n",
		"in a field of another":     "session: {max_per_account: \"${CANARY}\"}\n",
		"in a boolean":              "redis: {tls: \"${CANARY}\"}\n",
		"password of an address":    "redis: {addresses: [\"redis://u:" + canary + "@localhost\"]}\nnope: 1\n",
		"password of a wrong value": "log: {level: \"redis://a-user-with-a-long-name:" + canary + "@localhost\"}\n",
		"in a database's address":   "storage: {driver: nope, dsn: \"postgres://u:" + canary + "@db/x\"}\nnope: 1\n",
		"in a message about itself": "redis: {password: " + canary + "}\nlog: {level: " + canary + "}\n",
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, r := load("c.yaml", []byte(base+file), memory(files), environment(env))
			b, err := json.Marshal(r.Findings)
			if err != nil {
				t.Fatal(err)
			}
			printed := strings.Join(lines(r), "\n") + string(b) + fmt.Sprintf("%v %+v %#v", cfg, cfg, r.Findings)
			for _, c := range []string{canary, "kanarienvogel_7391"} {
				if strings.Contains(printed, c) {
					t.Errorf("the secret is shown:\n%s", printed)
				}
			}
			if len(r.Findings) == 0 {
				t.Error("the file has no finding, so this proves nothing")
			}
		})
	}
}

func TestReportBlotsOthersFindings(t *testing.T) {
	_, r := load("c.yaml", []byte(base+"redis: {addresses: [\"127.0.0.1:6379\"], password: "+canary+"}\n"), memory(nil), environment(nil))
	r.Add(Finding{Path: "redis.addresses", Message: "dial: AUTH " + canary + " refused", Hint: canary})
	f := r.Findings[0]
	if f.Message != "dial: AUTH *** refused" || f.Hint != "***" || f.Line != 6 || f.File != "c.yaml" {
		t.Errorf("finding %+v", f)
	}
}

func TestEchoes(t *testing.T) {
	faulty := []string{"redis.password", "providers[0].client_secret_file", "upstreams[0].urls[1]", "local"}
	for path, want := range map[string]bool{
		"redis.password": true, "redis.addresses": false, "redis": false, "providers[0].client_secret": true, "providers[1].client_secret": false,
		"upstreams[0].urls": true, "upstreams[0].urls[0]": false, "upstreams[0]": false, "upstreams": false, "local.enabled": true, "localx": false, "": false,
	} {
		if got := echoes(path, faulty); got != want {
			t.Errorf("echoes(%q) = %v, want %v", path, got, want)
		}
	}
}
