package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// startRole serves a server's metadata; answer gives the document of a role.
func startRole(t *testing.T, role string, answer func() string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/creds/":
			fmt.Fprintln(w, role)
		case "/creds/the-role":
			fmt.Fprint(w, answer())
		default:
			http.Redirect(w, r, "/creds/", http.StatusFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/creds/"
}

func roleDocument(access, secret string, expires time.Time) string {
	return fmt.Sprintf(`{"AccessKeyId":%q,"SecretAccessKey":%q,"Expiration":%q}`, access, secret, expires.Format(time.RFC3339))
}

func TestServerRoleIsAskedLast(t *testing.T) {
	role := startRole(t, "the-role", func() string { return roleDocument("RA", "RS", time.Now().Add(time.Hour)) })
	o := remote.CredentialOptions{Home: t.TempDir(), Env: func(string) string { return "" }, Role: true, RoleURL: role}
	c, err := remote.FindCredentials(t.Context(), o)
	if err != nil || c.AccessKey != "RA" || c.SecretKey.Reveal() != "RS" || !strings.Contains(c.Source, "the-role") || time.Until(c.Expires) < time.Minute {
		t.Errorf("got %+v, %v", c, err)
	}
	o.Env = func(name string) string {
		return map[string]string{"NCLOUD_ACCESS_KEY": "EA", "NCLOUD_SECRET_KEY": "ES"}[name]
	}
	if c, err := remote.FindCredentials(t.Context(), o); err != nil || c.AccessKey != "EA" {
		t.Errorf("with an environment: %+v, %v", c, err)
	}
	o.Env, o.Role = func(string) string { return "" }, false
	if _, err := remote.FindCredentials(t.Context(), o); !errors.Is(err, remote.ErrNoCredentials) {
		t.Errorf("not asked for: %v", err)
	}
}

// TestServerRoleIsNotBelieved when what answers is something else: another
// cloud, a captive portal, an attacker.
func TestServerRoleIsNotBelieved(t *testing.T) {
	whole := roleDocument("RA", "secretRS", time.Now().Add(time.Hour))
	for what, test := range map[string]struct{ role, document, want string }{
		"a name that is a path": {"../the-role", whole, "names no role"},
		"a page":                {"<html>", whole, "names no role"},
		"no keys":               {"the-role", `{}`, "has no keys"},
		"not JSON":              {"the-role", `secretRS`, "has no keys"},
		"keys of another cloud": {"the-role", strings.Replace(whole, "{", `{"Token":"x",`, 1), "session token"},
		"a redirect":            {"elsewhere", whole, "302"},
		"no role at all":        {"", whole, "this server has no role"},
	} {
		o := remote.CredentialOptions{Home: t.TempDir(), Env: func(string) string { return "" }, Role: true,
			RoleURL: startRole(t, test.role, func() string { return test.document })}
		c, err := remote.FindCredentials(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secretRS") {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
}

func TestOnlyNaversEndpointsAreAskedForARole(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"": true, "https://kr.object.ncloudstorage.com": true, "https://kr.object.private.ncloudstorage.com": true,
		"https://jp.object.ncpstorage.com": true, "https://kr.object.gov-ncloudstorage.com": true,
		"https://s3.example.com": false, "https://ncloudstorage.com.example.com": false, "http://127.0.0.1:1": false,
	} {
		if got := (remote.Options{Endpoint: endpoint}).IsNaver(); got != want {
			t.Errorf("%q: got %v", endpoint, got)
		}
	}
}

// TestKeysAreRenewedBeforeTheyExpire: no request is ever signed with keys that
// have expired, and keys that last are asked for once.
func TestKeysAreRenewedBeforeTheyExpire(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	var asked atomic.Int64
	var left atomic.Int64
	left.Store(int64(time.Minute)) // soon
	alice := emulatortest.Alice()
	role := startRole(t, "the-role", func() string {
		asked.Add(1)
		return roleDocument(alice.AccessKey, alice.SecretKey, time.Now().Add(time.Duration(left.Load())))
	})
	o := remote.CredentialOptions{Home: t.TempDir(), Env: func(string) string { return "" }, Role: true, RoleURL: role}
	expired := remote.Credentials{AccessKey: "OLD", SecretKey: "OLD", Expires: time.Now().Add(-time.Minute)}
	c, err := remote.New(remote.Options{Endpoint: s.URL, Credentials: expired,
		FindKeys: func(ctx context.Context) (remote.Credentials, error) { return remote.FindCredentials(ctx, o) }})
	if err != nil {
		t.Fatal(err)
	}
	list := func() {
		t.Helper()
		if _, err := c.Buckets(t.Context()); err != nil {
			t.Error(err)
		}
	}
	list()
	equal(t, "asked when they have expired", asked.Load(), 1)
	list() // they expire in a minute, but were looked for a moment ago
	equal(t, "asked at once again", asked.Load(), 1)
	left.Store(int64(time.Hour))
	time.Sleep(1100 * time.Millisecond) // what looking rests
	list()
	equal(t, "asked before they expire", asked.Load(), 2)
	list()
	equal(t, "asked while they last", asked.Load(), 2)
}

// TestRefusedKeysAreLookedForAgain, and a refusal that has nothing to do with
// them stays one.
func TestRefusedKeysAreLookedForAgain(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	now := aliceKeys()
	old := remote.Credentials{AccessKey: "OLD", SecretKey: "OLD"}
	looked := 0
	c, err := remote.New(remote.Options{Endpoint: s.URL, Credentials: old,
		FindKeys: func(context.Context) (remote.Credentials, error) { looked++; return now, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "data", ""); err != nil {
		t.Error(err)
	}
	equal(t, "looked", looked, 1)
	s.Faults().Add(emulator.Fault{Operation: emulator.OpHeadBucket, Effect: emulator.Refuse, Code: "AccessDenied"})
	for range 3 {
		wantCode(t, "HeadBucket", c.HeadBucket(t.Context(), "data"), remote.AccessDenied, nil)
	}
	equal(t, "looked for a refusal, a moment later", looked, 1)
}
