package remote_test

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// withFaults runs f over the emulator.
func withFaults(t *testing.T, f func(t *testing.T, s *service, c *remote.Client, bucket string)) {
	t.Parallel()
	onEmulator(t, func(t *testing.T, s *service) {
		bucket := s.bucket(t)
		s.emulator.ResetCounts()
		f(t, s, s.alice(t), bucket)
	})
}

// impatient is alice's client that gives up what stands still for a second.
func (s *service) impatient(t *testing.T) *remote.Client {
	return s.client(t, aliceKeys(), func(o *remote.Options) {
		o.FirstByteTimeout, o.StallTimeout, o.RetryTime = time.Second, time.Second, time.Minute
	})
}

func (s *service) fault(f emulator.Fault) (remove func()) { return s.emulator.Faults().Add(f) }

func (s *service) wantCount(t *testing.T, op string, want int) {
	t.Helper()
	equal(t, "requests of "+op, s.emulator.Counts()[op], want)
}

func TestPutWhoseAnswerIsLostIsSentAgain(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		s.fault(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Lose, Count: 2})
		p := remote.Path{Bucket: bucket, Key: "f"}
		content := string(random(1, 1<<20))
		put(t, c, p, content, remote.PutOptions{})
		equal(t, "content", get(t, c, p) == content, true)
		s.wantCount(t, emulator.OpPutObject, 3)
	})
}

func TestMutationsWhoseAnswersAreLostAreSentAgain(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		src, dst := remote.Path{Bucket: bucket, Key: "a"}, remote.Path{Bucket: bucket, Key: "b"}
		put(t, c, src, "content", remote.PutOptions{})
		for _, op := range []string{emulator.OpCopyObject, emulator.OpDeleteObject, emulator.OpDeleteObjects,
			emulator.OpUploadPart, emulator.OpAbortMultipartUpload, emulator.OpPutObjectACL, emulator.OpDeleteBucket} {
			s.fault(emulator.Fault{Operation: op, Effect: emulator.Lose, Count: 1})
		}
		if _, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{}); err != nil {
			t.Error(err)
		}
		equal(t, "copy", get(t, c, dst), "content")
		if err := c.SetCannedACL(t.Context(), dst, remote.PublicRead); err != nil {
			t.Error(err)
		}
		u := begin(t, c, remote.Path{Bucket: bucket, Key: "u"}, remote.PutOptions{})
		sendPart(t, u, 1, []byte("part"))
		if err := u.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Delete(t.Context(), dst); err != nil {
			t.Error(err)
		}
		if failed, err := c.DeleteMany(t.Context(), bucket, []string{"a", "b"}); err != nil || len(failed) > 0 {
			t.Errorf("%v %v", failed, err)
		}
		if err := c.RemoveBucket(t.Context(), bucket); err != nil {
			t.Error(err)
		}
		for _, op := range []string{emulator.OpCopyObject, emulator.OpDeleteObject, emulator.OpDeleteObjects,
			emulator.OpUploadPart, emulator.OpAbortMultipartUpload, emulator.OpPutObjectACL, emulator.OpDeleteBucket} {
			s.wantCount(t, op, 2)
		}
	})
}

// A Complete whose answer was lost: the object is looked at, and the result
// is that of the first attempt.
func TestCompleteWhoseAnswerIsLost(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		p := remote.Path{Bucket: bucket, Key: "f"}
		u := begin(t, c, p, remote.PutOptions{Meta: remote.Meta{"a": "b"}})
		parts := []remote.Part{sendPart(t, u, 1, random(1, minPart)), sendPart(t, u, 2, []byte("end"))}
		s.fault(emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Lose, Count: 1})
		o, err := u.Complete(t.Context(), parts)
		if err != nil {
			t.Fatal(err)
		}
		head, err := c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "ETag", o.ETag, head.ETag)
		equal(t, "size", o.Size, minPart+3)
		s.wantCount(t, emulator.OpCompleteMultipartUpload, 2)
		s.wantCount(t, emulator.OpHeadObject, 2)
	})
}

// A copy onto itself gives an object made of parts another ETag, which the
// second attempt cannot match: the metadata tells that the first one worked.
func TestCopyOntoItselfWhoseAnswerIsLost(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		p := remote.Path{Bucket: bucket, Key: "f"}
		u := begin(t, c, p, remote.PutOptions{})
		old, err := u.Complete(t.Context(), []remote.Part{sendPart(t, u, 1, []byte("content"))})
		if err != nil {
			t.Fatal(err)
		}
		s.fault(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.Lose, Count: 1})
		o, err := c.Copy(t.Context(), p, p, remote.CopyOptions{IfMatch: old.ETag, Replace: true, Meta: remote.Meta{"mode": "1"}})
		if err != nil {
			t.Fatal(err)
		}
		head, err := c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "ETag", o.ETag, head.ETag)
		equal(t, "mode", head.Meta["mode"], "1")
		_, err = c.Copy(t.Context(), p, p, remote.CopyOptions{IfMatch: "another", Replace: true, Meta: remote.Meta{"mode": "1"}})
		wantCode(t, "another version", err, remote.PreconditionFailed, remote.ErrChanged)
	})
}

// The object is there, but is not what the parts make: NoSuchUpload stays.
func TestLostCompleteIsNeverAssumed(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		p := remote.Path{Bucket: bucket, Key: "f"}
		u := begin(t, c, p, remote.PutOptions{})
		parts := []remote.Part{sendPart(t, u, 1, []byte("part"))}
		if err := u.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, c, p, "part", remote.PutOptions{})
		s.fault(emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Refuse, Code: "SlowDown", Count: 1})
		_, err := u.Complete(t.Context(), parts)
		wantCode(t, "Complete", err, remote.NoSuchUpload, nil)
		s.wantCount(t, emulator.OpHeadObject, 1)
	})
}

func TestMakeBucketWhoseAnswerIsLost(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		s.fault(emulator.Fault{Operation: emulator.OpCreateBucket, Effect: emulator.Lose, Count: 1})
		if err := c.MakeBucket(t.Context(), s.newName(), ""); err != nil {
			t.Error(err)
		}
		s.fault(emulator.Fault{Operation: emulator.OpCreateBucket, Effect: emulator.Refuse, Code: "SlowDown", Count: 1})
		bob := s.bob(t)
		wantCode(t, "another's bucket", bob.MakeBucket(t.Context(), bucket, ""), remote.BucketAlreadyExists, fs.ErrExist)
	})
}

// Status 200 with an error document is an error: a passing one is tried
// again, another is returned.
func TestErrorInGoodAnswer(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		src, dst := remote.Path{Bucket: bucket, Key: "a"}, remote.Path{Bucket: bucket, Key: "b"}
		put(t, c, src, "content", remote.PutOptions{})
		u := begin(t, c, remote.Path{Bucket: bucket, Key: "u"}, remote.PutOptions{})
		parts := []remote.Part{sendPart(t, u, 1, []byte("part"))}
		calls := map[string]func() error{
			emulator.OpCopyObject: func() error {
				_, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{})
				return err
			},
			emulator.OpListObjects: func() error {
				_, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: bucket})
				return err
			},
			emulator.OpListMultipartUploads: func() error {
				for _, err := range c.Uploads(t.Context(), bucket, "") {
					if err != nil {
						return err
					}
				}
				return nil
			},
			emulator.OpDeleteObjects: func() error {
				_, err := c.DeleteMany(t.Context(), bucket, []string{"x"})
				return err
			},
			emulator.OpCompleteMultipartUpload: func() error {
				_, err := u.Complete(t.Context(), parts)
				return err
			},
		}
		for op, call := range calls {
			s.fault(emulator.Fault{Operation: op, Effect: emulator.ErrorBody, Code: "AccessDenied", Count: 1})
			wantCode(t, op, call(), remote.AccessDenied, fs.ErrPermission)
			s.fault(emulator.Fault{Operation: op, Effect: emulator.ErrorBody, Code: "InternalError", Count: 1})
			if err := call(); err != nil {
				t.Errorf("%s: %v", op, err)
			}
			s.wantCount(t, op, 3)
		}
	})
}

// A Put answered by an error document with status 200 has no ETag.
func TestPutAnsweredByErrorDocument(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		s.fault(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.ErrorBody, Code: "InternalError", Count: 1})
		p := remote.Path{Bucket: bucket, Key: "f"}
		put(t, c, p, "content", remote.PutOptions{})
		equal(t, "content", get(t, c, p), "content")
	})
}

// A page that breaks off is asked for again, and never taken for a short one.
func TestListingThatIsCut(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		var keys []string
		for _, r := range "abcdefghij" {
			keys = append(keys, strings.Repeat(string(r), 50))
		}
		fill(t, c, bucket, keys)
		for _, at := range []int64{0, 1, 100, 700, 1500, 2500} {
			s.emulator.ResetCounts()
			s.fault(emulator.Fault{Operation: emulator.OpListObjects, Effect: emulator.Cut, Bytes: at, Count: 1})
			got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket})
			equalSlices(t, "keys", got, keys)
			s.wantCount(t, emulator.OpListObjects, 2)
		}
	})
}

// A body that is cut is an error of Read; the caller asks for the rest.
func TestContentThatIsCut(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		p := remote.Path{Bucket: bucket, Key: "f"}
		content := random(1, 1<<20)
		r, size := reader(content)
		o, err := c.Put(t.Context(), p, r, size, remote.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.fault(emulator.Fault{Operation: emulator.OpGetObject, Effect: emulator.Cut, Bytes: 300_000, Count: 1})
		body, err := c.Get(t.Context(), p, remote.GetOptions{IfMatch: o.ETag})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err == nil || len(got) > 300_000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		_ = body.Close()
		rest := getRange(t, c, p, remote.GetOptions{Offset: int64(len(got)), IfMatch: o.ETag})
		equal(t, "content", slices.Equal(append(got, rest...), content), true)
	})
}

func TestContentThatStalls(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		p := remote.Path{Bucket: bucket, Key: "f"}
		put(t, c, p, string(random(1, 1<<20)), remote.PutOptions{})
		s.fault(emulator.Fault{Operation: emulator.OpGetObject, Effect: emulator.StallBody, Bytes: 100_000})
		body, err := s.impatient(t).Get(t.Context(), p, remote.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = body.Close() }()
		if _, err := io.ReadAll(body); !isTimeout(err) {
			t.Errorf("%v", err)
		}
	})
}

// A request that gets no answer is sent again.
func TestAnswerThatDoesNotCome(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, _ *remote.Client, bucket string) {
		p := remote.Path{Bucket: bucket, Key: "f"}
		for _, op := range []string{emulator.OpPutObject, emulator.OpGetObject, emulator.OpHeadObject, emulator.OpListObjects} {
			s.fault(emulator.Fault{Operation: op, Effect: emulator.StallHeader, Count: 1})
		}
		c := s.impatient(t)
		put(t, c, p, "content", remote.PutOptions{})
		equal(t, "content", get(t, c, p), "content")
		if _, err := c.Head(t.Context(), p); err != nil {
			t.Error(err)
		}
		got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket})
		equalSlices(t, "keys", got, []string{"f"})
	})
}

func TestSlowDownWaitsAsAsked(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		s.fault(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "SlowDown", RetryAfter: time.Second, Count: 1})
		begin := time.Now()
		put(t, c, remote.Path{Bucket: bucket, Key: "f"}, "content", remote.PutOptions{})
		if d := time.Since(begin); d < time.Second {
			t.Errorf("sent again after %v", d)
		}
	})
}

// Nothing listens: the error says so, and comes within the retry time.
func TestUnreachableEndpoint(t *testing.T) {
	c, err := remote.New(remote.Options{Endpoint: "http://127.0.0.1:1", Credentials: aliceKeys(), RetryTime: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err = c.HeadBucket(t.Context(), "b")
	e, ok := errors.AsType[*remote.Error](err)
	if !ok || e.Status != 0 || !strings.Contains(err.Error(), "refused") || time.Since(begin) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// A certificate that nobody vouches for is final.
func TestUnknownCertificate(t *testing.T) {
	t.Parallel()
	s := tlsService(t, emulator.Options{})
	counting := &countingTransport{RoundTripper: newTransport(t)}
	c := s.client(t, aliceKeys(), func(o *remote.Options) { o.Transport = counting })
	if err := c.HeadBucket(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	equal(t, "attempts", counting.n.Load(), 1)
}

// http:// and https:// mixed up is final too.
func TestWrongScheme(t *testing.T) {
	t.Parallel()
	s := tlsService(t, emulator.Options{})
	s.endpoint = strings.Replace(s.endpoint, "https", "http", 1)
	if err := s.alice(t).HeadBucket(t.Context(), "b"); err == nil {
		t.Error("no error of http to an https port")
	}
}
