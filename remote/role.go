package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	// roleURL is where a server of NAVER Cloud is told the keys of its role
	// (Server guide, "Server role"; the paths are those of NAVER's own tools).
	roleURL = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
	// roleTime bounds the question: elsewhere nobody answers.
	roleTime = time.Second
	// maxRole bounds an answer, in bytes.
	maxRole = 64 << 10
)

// roleName is what a role may be called: it becomes part of a URL.
var roleName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_+=,.@-]{0,127}$`)

// roleKeys asks the server's metadata for the keys of its role. No AccessKey:
// this is no server with a role.
func roleKeys(ctx context.Context, base string) (Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, roleTime)
	defer cancel()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy: it would be told the keys
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	name, err := metadata(ctx, client, base)
	role, _, _ := strings.Cut(strings.TrimSpace(string(name)), "\n")
	if err != nil || role == "" {
		return Credentials{}, nil //nolint:nilerr // there is no role
	}
	if !roleName.MatchString(role) {
		return Credentials{}, errors.New("server role: what answers for the server's metadata names no role")
	}
	text, err := metadata(ctx, client, base+url.PathEscape(role))
	if err != nil {
		return Credentials{}, fmt.Errorf("server role %s: %w", role, err)
	}
	var doc struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey Secret
		Token           string
		Expiration      time.Time
	}
	switch err := json.Unmarshal(text, &doc); {
	case err != nil || doc.AccessKeyID == "" || doc.SecretAccessKey == "":
		return Credentials{}, fmt.Errorf("server role %s: the answer has no keys", role) // and is not shown
	case doc.Token != "":
		return Credentials{}, fmt.Errorf("server role %s: its keys need a session token, which NAVER Cloud does not have", role)
	}
	return Credentials{AccessKey: doc.AccessKeyID, SecretKey: doc.SecretAccessKey, Expires: doc.Expiration, Source: "server role " + role}, nil
}

// metadata asks for one document.
func metadata(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxRole))
}

// IsNaver reports whether the endpoint is one of NAVER Cloud: in the domain of
// a documented one.
func (o Options) IsNaver() bool {
	u, _, err := o.target()
	if err != nil {
		return false
	}
	for _, r := range Regions() {
		if known, err := url.Parse(r.Endpoint); err == nil && sameDomain(known.Hostname(), u.Hostname()) {
			return true
		}
	}
	return false
}
