package app

import (
	"bufio"
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// trim gives back what only the start needed: garbage, and the pages of the program's own file, most of which are read once. Of a
// gateway at rest they are three quarters of what it occupies. What is needed again is read again from the file.
func trim() error {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, r := range cleanPages(smaps, program) {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, r.from, r.to-r.from, syscall.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return nil
}

// pages are those from one address up to another.
type pages struct{ from, to uintptr }

// cleanPages finds what is mapped of a file, may not be written, and was not: a linker may have changed read-only pages, and those
// changes are in no file.
func cleanPages(smaps []byte, file string) []pages {
	var found []pages
	var current *pages
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) >= 2 && strings.HasSuffix(f[0], ":"):
			if f[0] == "Anonymous:" && f[1] == "0" && current != nil {
				found = append(found, *current)
			}
		case len(f) == 6 && f[5] == file && len(f[1]) == 4 && f[1][1] != 'w' && f[1][3] == 'p': // from-to permissions offset device inode path
			first, last, _ := strings.Cut(f[0], "-")
			from, err1 := strconv.ParseUint(first, 16, 64)
			to, err2 := strconv.ParseUint(last, 16, 64)
			if current = nil; err1 == nil && err2 == nil && from < to {
				current = &pages{uintptr(from), uintptr(to)}
			}
		default:
			current = nil
		}
	}
	return found
}
