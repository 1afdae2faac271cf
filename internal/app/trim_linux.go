package app

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// trim gives back the pages of the program's own file. What is needed again is mapped again, at the cost of a page fault.
func trim() error {
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

// filePages returns how many bytes of files the process has mapped and read.
func filePages() (int64, error) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b))
	if len(f) < 3 {
		return 0, errors.New("read /proc/self/statm: too few fields")
	}
	n, err := strconv.ParseInt(f[2], 10, 64)
	return n * int64(os.Getpagesize()), err
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
