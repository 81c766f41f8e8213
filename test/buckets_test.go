package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
)

// ncloudfs runs a command that needs no mount, which must end with this exit code,
// and returns what it printed.
func (s *store) ncloudfs(t testing.TB, code int, args ...string) string {
	t.Helper()
	out, got := run(t, s.command(t, root(), args...))
	if got != code {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, out)
	}
	return out
}

func TestBucketsAreMadeListedAndRemoved(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		name := s.bucket + "-made"
		listed := func() bool { return strings.Contains(s.ncloudfs(t, 0, "bucket", "ls"), name+" ") }
		s.ncloudfs(t, 0, "bucket", "make", name, "--acl=public-read")
		if !listed() || !strings.Contains(s.s3cmd(t, `s3cmd ls`), "s3://"+name+"\n") {
			t.Errorf("%s is not listed", name)
		}
		acl, err := s.client.ACL(contextOf(t), remote.Path{Bucket: name})
		ok(t, err)
		equal(t, "its ACL", acl.Canned(), remote.PublicRead)
		says(t, s.ncloudfs(t, 1, "bucket", "make", "Capital"), "3 to 63 small letters")
		p := remote.Path{Bucket: name, Key: "file"}
		_, err = s.client.Put(contextOf(t), p, strings.NewReader("x"), 1, remote.PutOptions{})
		ok(t, err)
		says(t, s.ncloudfs(t, 1, "bucket", "remove", name), "remove its objects first")
		ok(t, s.client.Delete(contextOf(t), p))
		s.ncloudfs(t, 0, "bucket", "remove", name)
		if listed() {
			t.Errorf("%s is still listed", name)
		}
		says(t, s.ncloudfs(t, 1, "bucket", "remove", name), "NoSuchBucket")
	})
}

const corsRules = `<CORSConfiguration>
<CORSRule><ID>first</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>
<AllowedHeader>x-allowed-*</AllowedHeader><ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>77</MaxAgeSeconds></CORSRule>
<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>
</CORSConfiguration>`

// TestCORSRulesAgreeWithS3cmd: what ncloudfs sets s3cmd reads, and the other
// way round; a preflight answers as the rules say.
func TestCORSRulesAgreeWithS3cmd(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		file := filepath.Join(root().dir(t), "rules.xml")
		ok(t, os.WriteFile(file, []byte(corsRules), 0o600))
		get := func() string { return s.ncloudfs(t, 0, "bucket", "cors", "get", s.bucket) }
		wantAll := func(what, text string) {
			t.Helper()
			for _, want := range []string{"https://*.example.com", "<AllowedMethod>PUT<", "x-allowed-*", "<ExposeHeader>etag<", "<MaxAgeSeconds>77<"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %s:\n%s", what, want, text)
				}
			}
		}
		s3cmdSees := func(check func(text string)) {
			if s.emulator == nil { // s3cmd asks for the location first, which NAVER does not offer
				check(s.s3cmd(t, `s3cmd info "$1" | sed 's/> *</></g'`, "s3://"+s.bucket))
			}
		}

		says(t, s.ncloudfs(t, 1, "bucket", "cors", "get", s.bucket), "has no CORS rules")
		s.ncloudfs(t, 0, "bucket", "cors", "set", s.bucket, file)
		wantAll("cors get", get())
		s3cmdSees(func(text string) { wantAll("s3cmd", text) })
		s.preflights(t)

		s.ncloudfs(t, 0, "bucket", "cors", "delete", s.bucket)
		s3cmdSees(func(text string) { says(t, text, "CORS:      none") })
		says(t, s.ncloudfs(t, 1, "bucket", "cors", "get", s.bucket), "has no CORS rules")
		says(t, s.ncloudfs(t, 1, "bucket", "cors", "test", s.bucket, "https://a.example.com", "GET", "key"), "would refuse")

		s.s3cmd(t, `s3cmd setcors "$1" "$2"`, file, "s3://"+s.bucket)
		wantAll("what s3cmd set", get())
		asJSON := s.ncloudfs(t, 0, "bucket", "cors", "get", s.bucket, "--json")
		s.s3cmd(t, `s3cmd delcors "$1"`, "s3://"+s.bucket)
		ok(t, os.WriteFile(file, []byte(asJSON), 0o600))
		s.ncloudfs(t, 0, "bucket", "cors", "set", s.bucket, file)
		wantAll("JSON that was read back", get())
		s3cmdSees(func(text string) { wantAll("s3cmd after JSON", text) })
		ok(t, os.WriteFile(file, []byte("{}"), 0o600))
		says(t, s.ncloudfs(t, 1, "bucket", "cors", "set", s.bucket, file), "has no rules")
	})
}

// preflights tests what corsRules allow.
func (s *store) preflights(t *testing.T) {
	t.Helper()
	for _, test := range []struct {
		allowed bool
		args    []string
	}{
		{true, []string{"https://www.example.com", "PUT", "a/key"}},
		{true, []string{"https://www.example.com", "put", "a/key", "--header=X-Allowed-One"}},
		{true, []string{"https://elsewhere.org", "GET", "한글 +%"}},
		{false, []string{"https://elsewhere.org", "PUT", "a/key"}},
		{false, []string{"https://www.example.com", "DELETE", "a/key"}},
		{false, []string{"https://www.example.com", "PUT", "a/key", "--header=x-other"}},
	} {
		code, verdict := 0, "would send"
		if !test.allowed {
			code, verdict = 1, "would refuse"
		}
		says(t, s.ncloudfs(t, code, append([]string{"bucket", "cors", "test", s.bucket}, test.args...)...), verdict)
	}
}

// TestUnfinishedUploadsAgreeWithS3cmd: both list the same, and only what is as
// old as was asked for is aborted.
func TestUnfinishedUploadsAgreeWithS3cmd(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		ctx := contextOf(t)
		for _, key := range []string{"dir/a b+한글", "dir/b", "other"} {
			u, err := s.client.Begin(ctx, s.path(key), remote.PutOptions{})
			ok(t, err)
			_, err = u.Part(ctx, 1, strings.NewReader("12345"), 5)
			ok(t, err)
		}
		list := func(args ...string) (ids []string, bytes int64) {
			var found []struct {
				ID        string
				Bytes     int64
				Initiated time.Time
			}
			out := s.ncloudfs(t, 0, append([]string{"bucket", "uploads", "ls", "--json"}, args...)...)
			if err := json.Unmarshal([]byte(out), &found); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, u := range found {
				ids, bytes = append(ids, u.ID), bytes+u.Bytes
				if time.Since(u.Initiated).Abs() > time.Hour {
					t.Errorf("initiated at %s", u.Initiated)
				}
			}
			return ids, bytes
		}
		s3cmdSees := func(ids []string) {
			t.Helper()
			text := s.s3cmd(t, `s3cmd multipart "$1" | tail -n +3`, "s3://"+s.bucket)
			if lines := strings.Count(text, "\n"); lines != len(ids) {
				t.Errorf("s3cmd lists %d, want %d:\n%s", lines, len(ids), text)
			}
			for _, id := range ids {
				says(t, text, id)
			}
		}
		all, bytes := list(s.bucket)
		if len(all) != 3 || s.emulator == nil && bytes != 15 { // NAVER lists no parts, as far as is known
			t.Errorf("got %d uploads of %d bytes", len(all), bytes)
		}
		s3cmdSees(all)
		if below, _ := list(s.bucket + "/dir"); len(below) != 2 {
			t.Errorf("below dir/: %q", below)
		}
		if old, _ := list(s.bucket, "--older-than=1d"); len(old) != 0 {
			t.Errorf("a day old: %q", old)
		}
		says(t, s.ncloudfs(t, 0, "bucket", "uploads", "abort", s.bucket, "--older-than=1h"), "aborted 0 of 0")
		says(t, s.ncloudfs(t, 0, "bucket", "uploads", "abort", s.bucket+"/dir", "--older-than=0"), "aborted 2 of 2")
		left, _ := list(s.bucket)
		if len(left) != 1 || !slices.Contains(all, left[0]) {
			t.Errorf("left: %q of %q", left, all)
		}
		s3cmdSees(left)
		says(t, s.ncloudfs(t, 0, "bucket", "uploads", "ls", s.bucket), "second")
		s.s3cmd(t, `s3cmd abortmp "$1" "$2"`, "s3://"+s.bucket+"/other", left[0])
		if left, _ = list(s.bucket); len(left) != 0 {
			t.Errorf("after s3cmd aborted it: %q", left)
		}
	})
}
