package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const smaps = `00400000-00401000 r--p 00000000 fe:00 1 /bin/crmgate
Rss:                   4 kB
Anonymous:             0 kB
00401000-01000000 r-xp 00001000 fe:00 1 /bin/crmgate
Anonymous:             0 kB
01000000-01001000 r--p 00c00000 fe:00 1 /bin/crmgate
Anonymous:             4 kB
01001000-01002000 rw-p 00c01000 fe:00 1 /bin/crmgate
Anonymous:             0 kB
01002000-01003000 r--s 00c01000 fe:00 1 /bin/crmgate
Anonymous:             0 kB
c000000000-c000400000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 2 /lib/libc.so.6
Anonymous:             0 kB
7f0000002000-7f0000003000 r-xp 00000000 fe:00 1 /bin/crmgate (deleted)
Anonymous:             0 kB
`

func TestCleanPages(t *testing.T) {
	want := []pages{{0x400000, 0x401000}, {0x401000, 0x1000000}}
	if d := cmp.Diff(want, cleanPages([]byte(smaps), "/bin/crmgate"), cmp.AllowUnexported(pages{})); d != "" {
		t.Errorf("cleanPages: only what the file still holds may go (-want +got):\n%s", d)
	}
}

// TestTrim gives pages back under this very test, which must go on.
func TestTrim(t *testing.T) {
	before, err := filePages()
	if err != nil {
		t.Fatal(err)
	}
	if err := trim(); err != nil {
		t.Fatal(err)
	}
	after, err := filePages()
	if err != nil || after > before*3/4 {
		t.Errorf("%d bytes of files mapped before, %d after, %v", before, after, err)
	}
}

func TestTrimmingEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&App{Core: &Core{Log: slog.New(slog.DiscardHandler)}}).trimming(ctx) }()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
}
