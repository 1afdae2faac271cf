package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// What stands for a hash in the files below.
const (
	bcryptHash = "$2b$04$0lHXGBZKWKWrvZOOmHIDYO5L1.T3cSSjKGpIjpzN8mEvVaQ39lTBu"
	argonHash  = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"
)

// outcome is a report in few words.
func outcome(r ImportReport) []string {
	out := []string{}
	for _, l := range r.Lines {
		out = append(out, fmt.Sprintf("%d %s %s", l.Line, l.Email, l.Result))
	}
	for _, f := range r.Faults {
		out = append(out, fmt.Sprintf("%d! %s", f.Line, f.Sentence))
	}
	return out
}

func TestImportFile(t *testing.T) {
	tests := []struct {
		name    string
		file    string
		options ImportOptions
		want    []string // the beginnings of what outcome says
		there   int      // accounts in the end
	}{
		{name: "csv", file: "email,username,name,groups,password_hash\n" +
			"Ann@Example.test,ann,Ann Archer,\"sales,support\",BCRYPT\n" +
			"bob@example.test,,Bob,,\n\n,,,,\n" +
			"cy@example.test,cy,\"Cy, Jr.\",sales;support,\"ARGON\"\n",
			want: []string{"2 ann@example.test created", "3 bob@example.test created_without_password", "6 cy@example.test created"}, there: 3},
		{name: "only addresses", file: "email\nann@example.test\n", want: []string{"2 ann@example.test created_without_password"}, there: 1},
		{name: "any order, any case, a byte order mark", file: "\ufeffPassword Hash,E-mail\nBCRYPT,ann@example.test\n",
			want: []string{"1! There is a column that crmgate does not know. The first line names the columns: email,"}},
		{name: "columns in another order", file: "\ufeffPassword Hash,EMAIL\nBCRYPT,ann@example.test\n", want: []string{"2 ann@example.test created"}, there: 1},
		{name: "semicolons", file: "email;groups\nann@example.test;\"sales;support\"\n", want: []string{"2 ann@example.test created_without_password"}, there: 1},
		{name: "windows line ends", file: "email,name\r\nann@example.test,Ann\r\n", want: []string{"2 ann@example.test created_without_password"}, there: 1},
		{name: "htpasswd", file: "# staff\nann@example.test:BCRYPT\n\nbob@example.test:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
			want: []string{"2 ann@example.test created", "4 bob@example.test created"}, there: 2},
		{name: "htpasswd, users without a domain", file: "ann:BCRYPT\n", want: []string{"1! The user is no mail address. With --domain"}},
		{name: "htpasswd with the domain", file: "ann:BCRYPT\nbob@other.test:BCRYPT\n", options: ImportOptions{Domain: "@example.test"},
			want: []string{"1 ann@example.test created", "2 bob@other.test created"}, there: 2},
		{name: "htpasswd, no hash", file: "ann@example.test:BCRYPT\nbob@example.test:\nbob@example.test\n",
			want: []string{"1 ann@example.test created", "2! This is not user:hash.", "3! This is not user:hash."}},
		{name: "dry run", file: "email\nann@example.test\n", options: ImportOptions{DryRun: true}, want: []string{"2 ann@example.test created_without_password"}},
		{name: "the format is said", file: "email:x\n", options: ImportOptions{Format: FormatHtpasswd, Domain: "example.test"},
			want: []string{"1! The password hash of email@example.test is of a sort"}},

		{name: "every fault is named and nothing is written", file: "email,username,name,groups,password_hash\n" +
			"ann@example.test,ann,Ann,,BCRYPT\n" + // good
			"bob,bob,Bob,,BCRYPT\n" +
			"cy@example.test,cy,Cy,,hunter2\n" +
			"ANN@example.test,anna,Ann,,BCRYPT\n" +
			"dee@example.test,ann,Dee,,BCRYPT\n" +
			"eve@contoso.test,,Eve,,BCRYPT\n" +
			"fay@example.test,fay,Fay,,ARGON\n" +
			"BCRYPT,gus,Gus,,gus@example.test\n" +
			"hal@example.test,BCRYPT,Hal,,\n" +
			"ida@example.test,i da,Ida,,\n" +
			"joe@example.test,joe,\"Joe \"Q\" Public\",,\n" +
			"kit@example.test,kit,Kit\xff,,\n" +
			"lou@example.test,,Lou,," + strings.Repeat("x", 40) + "\n" +
			"pro@example.test,,Pro,,\n",
			want: []string{"2 ann@example.test created", "3! This is no mail address", "4! The password hash of cy@example.test is of a sort", "5! ann@example.test stands in line 2 already",
				"6! ann stands in line 2 already", "7! eve@contoso.test belongs to Contoso and signs in there. Leave it out; or", "8! There are 7 fields, and the first line names 5",
				"9! A password hash stands where", "10! A password hash stands where", "11! A username has at most", "12! The quotes do not match", "13! There are letters that are not UTF-8",
				"14! The password hash of lou@example.test", "15! pro@example.test has an account that belongs to Fabrikam"}},
		{name: "who is there", file: "email,password_hash\nactive@example.test,BCRYPT\ndisabled@example.test,BCRYPT\ninvited@example.test,BCRYPT\nwaiting@example.test,\n",
			want: []string{"2 active@example.test already_there", "3 disabled@example.test already_there", "4 invited@example.test password_set", "5 waiting@example.test already_there"}},
		{name: "somebody else's username", file: "email,username\nann@example.test,taken\n", want: []string{"2! taken is what active@example.test signs in with"}},
		{name: "no columns", file: "ann@example.test,ann,Ann\n", want: []string{"1! There is a column that crmgate does not know. The first line names"}},
		{name: "no address", file: "username,name\nann,Ann\n", want: []string{"1! The column email is missing."}},
		{name: "a column twice", file: "email,email\n", want: []string{"1! The column email stands there twice."}},
		{name: "empty", file: "", want: []string{"1! The file is empty."}},
		{name: "UTF-16", file: "\xff\xfee\x00m\x00", want: []string{"1! The file is UTF-16."}},
	}
	before := []Account{
		{ID: "a", Owner: OwnerLocal, Email: "active@example.test", Username: "taken", State: Active},
		{ID: "d", Owner: OwnerLocal, Email: "disabled@example.test", State: Disabled},
		{ID: "i", Owner: OwnerLocal, Email: "invited@example.test", State: Invited},
		{ID: "w", Owner: OwnerLocal, Email: "waiting@example.test", State: Invited},
		{ID: "p", Owner: "fabrikam", Email: "pro@example.test", State: Active},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			for _, a := range before {
				b.add(t, a)
			}
			tt.options.Actor = "cli"
			file := strings.NewReplacer("BCRYPT", bcryptHash, "ARGON", argonHash).Replace(tt.file)
			r, err := b.ImportFile(t.Context(), strings.NewReader(file), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			got := outcome(r)
			short := make([]string, len(got))
			for i, line := range got {
				if short[i] = line; i < len(tt.want) {
					short[i] = line[:min(len(line), len(tt.want[i]))]
				}
				for _, secret := range []string{bcryptHash, argonHash, "hunter2", "xxxx"} {
					if strings.Contains(line, secret) {
						t.Errorf("a secret is shown: %s", line)
					}
				}
			}
			if diff := cmp.Diff(tt.want, short); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, strings.Join(got, "\n"))
			}
			if made := len(b.store.accounts) - len(before); made != tt.there {
				t.Errorf("%d accounts were made, want %d", made, tt.there)
			}
			events := strings.Join(b.reasons(), "\n")
			if strings.Contains(events, "import") != (r.Written > 0) {
				t.Errorf("%d written, audit trail: %s", r.Written, events)
			}
			if mails := b.posted(); len(mails) > 0 {
				t.Errorf("mails %q", mails)
			}
		})
	}
}

func TestImportFileTwice(t *testing.T) {
	b := newBench(t)
	file := "email,username,name,groups,password_hash\nann@example.test,ann,Ann,\"sales,support\"," + b.hashOf(t, goodPassword) + "\nbob@example.test,,,,\n"
	first, err := b.ImportFile(t.Context(), strings.NewReader(file), ImportOptions{Actor: "cli"})
	if err != nil || first.Written != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	want := []string{"account_created import ID cli", "password_set import ID cli", "account_created import ID2 cli"}
	a, err := b.Store.FindLocal(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Store.FindLocal(t.Context(), "bob@example.test")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, replaceAll(b.reasons(), other.ID, "ID2", a.ID, "ID")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sales", "support"}, a.Groups); diff != "" || a.State != Active || other.State != Invited {
		t.Errorf("account %+v, other %+v", a, other)
	}
	if _, err := b.CheckPassword(from(t), "ann", goodPassword); err != nil {
		t.Errorf("the imported password does not sign in: %v", err)
	}
	b.reasons()
	again, err := b.ImportFile(t.Context(), strings.NewReader(file), ImportOptions{Actor: "cli"})
	if diff := cmp.Diff([]string{"2 ann@example.test already_there", "3 bob@example.test already_there"}, outcome(again)); diff != "" || err != nil || again.Written != 0 {
		t.Errorf("again: %d written, %v (-want +got):\n%s", again.Written, err, diff)
	}
	if events := b.reasons(); len(events) > 0 {
		t.Errorf("events %q", events)
	}
}

// A provider that takes every domain takes these people's sign-ins; with a username they still have a way.
func TestImportBesideACatchAll(t *testing.T) {
	b := newBench(t)
	b.Realms = identity.NewRealms(provider{ID: "rest", Name: "Rest", Domains: []string{"*"}})
	r, err := b.ImportFile(t.Context(), strings.NewReader("email,username\nann@example.test,\nbob@example.test,bob\n"), ImportOptions{DryRun: true})
	if err != nil || len(r.Faults) != 1 || r.Faults[0].Line != 2 || !strings.Contains(r.Faults[0].Sentence, "Give the person a username") || len(r.Lines) != 1 {
		t.Errorf("%v, %v", outcome(r), err)
	}
}

func TestImportStopsHalfway(t *testing.T) {
	b := newBench(t)
	b.store.before = func(call string) {
		if call == "CreateAccount" && len(b.store.accounts) == 1 {
			b.store.fail = errors.New("disk gone")
		}
	}
	r, err := b.ImportFile(t.Context(), strings.NewReader("email\nann@example.test\nbob@example.test\n"), ImportOptions{})
	var f *fault.Error
	if !errors.As(err, &f) || r.Written != 1 || !strings.Contains(f.Sentence, "stopped at bob@example.test, after 1 others. Run it again") {
		t.Errorf("%d written, %v", r.Written, err)
	}
	b.Config.Enabled = false
	if _, err := b.ImportFile(context.Background(), strings.NewReader("email\n"), ImportOptions{}); !errors.Is(err, errLocalOff) {
		t.Errorf("with local accounts off: %v", err)
	}
}

func (b *bench) hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := b.hash.make(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return `"` + hash + `"`
}

func replaceAll(lines []string, pairs ...string) []string {
	r := strings.NewReplacer(pairs...)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = r.Replace(l)
	}
	return out
}

func FuzzImportFile(f *testing.F) {
	for _, s := range []string{"email,name\nann@example.test,Ann\n", "ann@example.test:" + bcryptHash, "email;groups\n\"a", "\ufeffemail\n"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, file string, htpasswd bool) {
		o := ImportOptions{DryRun: true, Domain: "example.test"}
		if htpasswd {
			o.Format = FormatHtpasswd
		}
		r, err := newBench(t).ImportFile(t.Context(), strings.NewReader(file), o)
		if err != nil && !strings.Contains(err.Error(), "read ") {
			t.Errorf("error %v", err)
		}
		for _, l := range r.Lines {
			if l.Line < 1 || !strings.Contains(l.Email, "@") || l.Result == "" {
				t.Errorf("line %+v", l)
			}
		}
	})
}
