package account

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// breachPatience is how long a range API may take: somebody waits for a page.
const breachPatience = 2 * time.Second

// mostRange bounds the answer of a range API in bytes; with padding it has some 40,000.
const mostRange = 1 << 20

const refuseBreached = "This password is in a collection of stolen ones, so it is tried early. If you use it elsewhere, change it there as well." + advice

// isAddress tells an address from a file's name.
func isAddress(source string) bool {
	return strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://")
}

// checkBreachSource says what is wrong with local.password.breach_check.
func checkBreachSource(source string) error {
	if source == "" {
		return nil
	}
	if !isAddress(source) {
		f, err := openFilter(source)
		if err != nil {
			return err
		}
		return f.Close()
	}
	u, err := url.Parse(source)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return errors.New("this is no address of a range API")
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && !ip.Unmap().IsLoopback() && u.Hostname() != "localhost" {
		return errors.New("what is asked would travel unprotected")
	}
	return nil
}

// filtered refuses a password that the filter file has. A file that cannot be read lets it pass: people must be able to set
// passwords when a disk is late, and the log says so.
func (s *Service) filtered(ctx context.Context, p string) error {
	source := s.Config.Password.BreachCheck
	if source == "" || isAddress(source) {
		return nil
	}
	found, err := func() (bool, error) {
		f, err := openFilter(source)
		if err != nil {
			return false, err
		}
		defer f.Close()
		return f.has(sha1.Sum([]byte(p)))
	}()
	return s.verdict(ctx, found, err)
}

// breached refuses a password that the range API knows. The API is told five of forty digits of a digest, and its answer is padded:
// neither it nor the network learns the password.
func (s *Service) breached(ctx context.Context, p string) error {
	source := s.Config.Password.BreachCheck
	if !isAddress(source) {
		return nil
	}
	found, err := s.askRange(ctx, source, p)
	return s.verdict(ctx, found, err)
}

func (s *Service) verdict(ctx context.Context, found bool, err error) error {
	if err != nil {
		s.log().WarnContext(ctx, "password not compared with breached ones", "error", err)
	}
	if found {
		return &PasswordError{Sentence: refuseBreached}
	}
	return nil
}

// askRange asks the k-anonymity API of Have I Been Pwned or a copy of it.
func (s *Service) askRange(ctx context.Context, source, p string) (bool, error) {
	digest := sha1.Sum([]byte(p))
	text := strings.ToUpper(hex.EncodeToString(digest[:]))
	ctx, cancel := context.WithTimeout(ctx, breachPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(source, "/")+"/"+text[:5], nil)
	if err != nil {
		return false, errors.New("make request to range API")
	}
	req.Header.Set("Add-Padding", "true")
	req.Header.Set("User-Agent", "crmgate")
	client := s.HTTP
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	res, err := client.Do(req)
	if err != nil {
		// Not the error itself: it holds the address with the five digits.
		return false, fmt.Errorf("ask range API at %s: %w", req.URL.Host, plainCause(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("ask range API at %s: status %d", req.URL.Host, res.StatusCode)
	}
	lines := bufio.NewScanner(io.LimitReader(res.Body, mostRange))
	for lines.Scan() {
		rest, count, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if strings.EqualFold(rest, text[5:]) {
			return count != "0", nil // padding comes with a count of nought
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read answer of range API: %w", err)
	}
	return false, nil
}

// plainCause is the reason of a failed request without its address.
func plainCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// fileSize returns the size of an open file.
func fileSize(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
