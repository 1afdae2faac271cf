package account

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A filter file is a Bloom filter over SHA-1 digests: 14.4 bits for each and ten probes, so that every password of the list is
// found, and of a thousand others one is refused by mistake. The digests are random already, so the probes are made from them
// (Kirsch and Mitzenmacher 2006). It is read where it lies, ten bytes for a password: a gigabyte of it costs no memory.
const (
	filterMagic  = "crmgate filter 1"
	filterHead   = len(filterMagic) + 8 + 8
	filterProbes = 10
	filterBits   = 14.4
)

// FalsePositives is the share of good passwords that a filter file refuses by mistake.
const FalsePositives = 0.001

// filter is an open filter file.
type filter struct {
	*os.File
	bits uint64
}

// openFilter opens a filter file and checks that it is one, and whole.
func openFilter(path string) (*filter, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &filter{File: file}
	head := make([]byte, filterHead)
	size, sizeErr := fileSize(file)
	if _, err := io.ReadFull(file, head); err != nil || sizeErr != nil || string(head[:len(filterMagic)]) != filterMagic {
		file.Close()
		return nil, errors.New("this is no filter file")
	}
	f.bits = binary.BigEndian.Uint64(head[len(filterMagic):])
	if f.bits == 0 || f.bits%8 != 0 || uint64(size) != uint64(filterHead)+f.bits/8 {
		file.Close()
		return nil, errors.New("the filter file is damaged or not complete")
	}
	return f, nil
}

// has reports whether a digest is in the filter.
func (f *filter) has(digest [20]byte) (bool, error) {
	var b [1]byte
	for _, bit := range probes(digest, f.bits) {
		if _, err := f.ReadAt(b[:], int64(filterHead)+int64(bit/8)); err != nil {
			return false, fmt.Errorf("read filter: %w", err)
		}
		if b[0]&(1<<(bit%8)) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// probes returns the bits that belong to a digest.
func probes(digest [20]byte, bits uint64) (at [filterProbes]uint64) {
	first, step := binary.BigEndian.Uint64(digest[:8]), binary.BigEndian.Uint64(digest[8:16])|1
	for i := range at {
		at[i] = (first + uint64(i)*step) % bits
	}
	return at
}

// BuildFilter makes a filter file from a list of SHA-1 digests in hexadecimal, one a line, each with or without ":count" as the
// Pwned Passwords list has them. Digests that were seen fewer than atLeast times are left out. It returns how many are in. The filter is built
// in memory, 1.8 bytes for each, and takes its name only when it is complete.
func BuildFilter(in, out string, atLeast int) (n int, err error) {
	if n, err = eachDigest(in, atLeast, func([20]byte) {}); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, fmt.Errorf("%s has no digest that was seen %d times", in, max(atLeast, 1))
	}
	bits := (uint64(float64(n)*filterBits)/8 + 1) * 8
	set := make([]byte, bits/8)
	if _, err = eachDigest(in, atLeast, func(d [20]byte) {
		for _, bit := range probes(d, bits) {
			set[bit/8] |= 1 << (bit % 8)
		}
	}); err != nil {
		return 0, err
	}
	file, err := os.CreateTemp(filepath.Dir(out), ".filter-*")
	if err != nil {
		return 0, fmt.Errorf("create filter: %w", err)
	}
	defer os.Remove(file.Name()) // nothing, once it has its name
	head := binary.BigEndian.AppendUint64([]byte(filterMagic), bits)
	head = binary.BigEndian.AppendUint64(head, uint64(n))
	_, headErr := file.Write(head)
	_, setErr := file.Write(set)
	if err := errors.Join(headErr, setErr, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return 0, fmt.Errorf("write filter: %w", err)
	}
	if err := os.Rename(file.Name(), out); err != nil {
		return 0, fmt.Errorf("name filter: %w", err)
	}
	return n, nil
}

// eachDigest reads a list and returns how many digests were seen often enough.
func eachDigest(path string, atLeast int, take func([20]byte)) (n int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open list: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(bufio.NewReaderSize(f, 1<<20))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		var d [20]byte
		digest, seen, counted := strings.Cut(line, ":")
		if len(digest) != 40 {
			return 0, notDigest(path, number)
		}
		if _, err := hex.Decode(d[:], []byte(digest)); err != nil {
			return 0, notDigest(path, number)
		}
		if counted {
			times, err := strconv.Atoi(strings.TrimSpace(seen))
			if err != nil {
				return 0, notDigest(path, number)
			}
			if times < atLeast {
				continue
			}
		}
		n++
		take(d)
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read list: %w", err)
	}
	return n, nil
}

func notDigest(path string, line int) error {
	return fmt.Errorf("%s, line %d: want a SHA-1 digest of 40 hexadecimal digits, with or without \":count\"", path, line)
}
