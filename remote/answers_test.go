package remote_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"ncloudfs/remote"
)

// Keys that the answer of a Delete Multiple does not mention are looked up.
func TestDeleteManyLooksUpWhatIsNotMentioned(t *testing.T) {
	c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
		switch {
		case r.Method == http.MethodPost:
			return answer(r, 200, "<DeleteResult><Deleted><Key>gone</Key></Deleted>"+
				"<Error><Key>locked</Key><Code>InvalidObjectState</Code><Message>WORM</Message></Error></DeleteResult>"), nil
		case strings.HasSuffix(r.URL.Path, "/there"):
			return described(r, "x"), nil
		case strings.HasSuffix(r.URL.Path, "/hidden"):
			return answer(r, 403, ""), nil
		}
		return answer(r, 404, ""), nil
	})
	failed, err := c.DeleteMany(t.Context(), "b", []string{"gone", "locked", "there", "hidden", "absent"})
	if err != nil || len(failed) != 3 {
		t.Errorf("%v %v", failed, err)
	}
	wantCode(t, "locked", failed["locked"], remote.InvalidObjectState, fs.ErrPermission)
	wantCode(t, "hidden", failed["hidden"], remote.AccessDenied, fs.ErrPermission)
	if failed["there"] == nil || errors.Is(failed["there"], fs.ErrNotExist) {
		t.Errorf("there: %v", failed["there"])
	}
}

// The answer of something that is no object store is never taken for one.
func TestAnswersOfSomethingElse(t *testing.T) {
	for _, body := range []string{"", "<html><body>Please log in</body></html>", "{}", "<ListBucketResult/>", "<CopyObjectResult/>"} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) { return answer(r, 200, body), nil })
			p := remote.Path{Bucket: "b", Key: "k"}
			u := c.Resume(p, "id", remote.PutOptions{})
			for what, call := range map[string]func() error{
				"Head": func() error { _, err := c.Head(t.Context(), p); return err },
				"Get":  func() error { _, err := c.Get(t.Context(), p, remote.GetOptions{}); return err },
				"Put": func() error {
					_, err := c.Put(t.Context(), p, strings.NewReader(""), 0, remote.PutOptions{})
					return err
				},
				"Copy":     func() error { _, err := c.Copy(t.Context(), p, p, remote.CopyOptions{}); return err },
				"ListPage": func() error { _, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: "b"}); return err },
				"Begin":    func() error { _, err := c.Begin(t.Context(), p, remote.PutOptions{}); return err },
				"Part":     func() error { _, err := u.Part(t.Context(), 1, strings.NewReader(""), 0); return err },
				"Complete": func() error { _, err := u.Complete(t.Context(), []remote.Part{{Number: 1, ETag: "e"}}); return err },
				"Buckets":  func() error { _, err := c.Buckets(t.Context()); return err },
				"ACL":      func() error { _, err := c.ACL(t.Context(), p); return err },
				"Uploads": func() error {
					for _, err := range c.Uploads(t.Context(), "b", "") {
						return err
					}
					return nil
				},
				"DeleteMany": func() error { _, err := c.DeleteMany(t.Context(), "b", []string{"k"}); return err },
			} {
				if err := call(); err == nil {
					t.Errorf("%s took %q", what, body)
				}
			}
		})
	}
}

// TestInvalidRangeIsNoEndOfFileByItself: the version decides that was asked for.
func TestInvalidRangeIsNoEndOfFileByItself(t *testing.T) {
	for _, test := range []struct {
		what   string
		offset int64
		etag   remote.ETag
		code   remote.Code
	}{
		{"at its end", 4, "e1", ""},
		{"before its end", 3, "e1", remote.InvalidRange},
		{"of another version", 4, "e2", remote.PreconditionFailed},
		{"of any version, past its end", 9, "", ""},
	} {
		c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodHead {
				return described(r, "text"), nil
			}
			return refusal(r, 416, "InvalidRange"), nil
		})
		body, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{Offset: test.offset, IfMatch: test.etag})
		if remote.CodeOf(err) != test.code || err == nil && body.Length != 0 {
			t.Errorf("%s: %+v, %v, want %q", test.what, body, err, test.code)
		}
	}
}

// TestKeysThatMayNotSetACLs are told how to do without.
func TestKeysThatMayNotSetACLs(t *testing.T) {
	c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) { return refusal(r, 403, "AccessDenied"), nil })
	err := c.SetCannedACL(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.Private)
	if err == nil || !strings.Contains(err.Error(), "--acl=private") {
		t.Error(err)
	}
}

// What people read: what happened, to which path, and what to do.
func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		status  int
		code    string
		headers []string
		want    []string
	}{
		{403, "SignatureDoesNotMatch", nil, []string{"GET b/k: SignatureDoesNotMatch", "in words", "secret key"}},
		{403, "InvalidAccessKeyId", nil, []string{"access key"}},
		{404, "NoSuchBucket", nil, []string{"Ncloud Storage"}},
		{403, "RequestTimeTooSkewed", []string{"Date", "Mon, 02 Jan 2006 15:04:05 GMT"}, []string{"clock", "ahead of the server"}},
		{301, "PermanentRedirect", []string{"x-amz-bucket-region", "jp-standard"}, []string{"region jp", "--region jp"}},
		{301, "PermanentRedirect", []string{"x-amz-bucket-region", "eu-west-9"}, []string{"--region eu-west-9"}},
		{400, "AuthorizationHeaderMalformed", nil, []string{"region"}},
		{418, "", nil, []string{"HTTP 418 I'm a teapot"}},
	} {
		c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			return refusal(r, test.status, test.code, test.headers...), nil
		})
		_, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{})
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	}
	_, err := (&remote.Client{}).Head(t.Context(), remote.Path{Bucket: "b", Key: ""})
	if err == nil {
		t.Error("no error")
	}
	odd := &remote.Error{Op: "GET", Path: remote.Path{Bucket: "b", Key: "line\nbreak\x1b[31m"}}
	if strings.ContainsAny(odd.Error(), "\n\x1b") {
		t.Errorf("%q reaches the terminal", odd.Error())
	}
}
