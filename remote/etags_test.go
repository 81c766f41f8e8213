package remote_test

import (
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// etagServer keeps one object, and gives it an ETag of its own making.
type etagServer struct {
	etag    func(content []byte) string
	damage  func(content []byte) []byte // what is stored of what was sent
	content []byte
	refuse  bool // reading

	puts, gets int
}

func (s *etagServer) answer(_ int, r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		s.gets++
		if s.refuse {
			return refusal(r, 403, "AccessDenied"), nil
		}
		resp := described(r, string(s.content))
		resp.Header.Set("ETag", `"`+s.etag(s.content)+`"`)
		return resp, nil
	}
	s.puts++
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.content = sent
	if s.damage != nil {
		s.content = s.damage(sent)
	}
	return answer(r, 200, "", "ETag", `"`+s.etag(s.content)+`"`), nil
}

func isMD5(b []byte) string  { return string(md5Of(b)) }
func notMD5(b []byte) string { return string(md5Of(append([]byte("key"), b...))) }

func spoil(b []byte) []byte { return append([]byte("!"), b[1:]...) }

// A bucket whose ETags are not MD5s is found out by reading back, once.
func TestETagsThatAreNotMD5s(t *testing.T) {
	s := &etagServer{etag: notMD5}
	c, _ := scripted(t, s.answer)
	for range 3 {
		put(t, c, remote.Path{Bucket: "b", Key: "k"}, "content", remote.PutOptions{})
	}
	equal(t, "puts", s.puts, 3)
	equal(t, "gets", s.gets, 1)
	if _, err := c.Resume(remote.Path{Bucket: "b", Key: "k"}, "id", remote.PutOptions{}).Part(t.Context(), 1, strings.NewReader("part"), 4); err != nil {
		t.Error(err)
	}
}

// What was stored is not what was sent: it is sent again, and then reported.
func TestStoredWrongly(t *testing.T) {
	for what, etag := range map[string]func([]byte) string{"ETags are MD5s": isMD5, "ETags are not": notMD5} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &etagServer{etag: etag, damage: spoil}
				c, _ := scripted(t, s.answer)
				p := remote.Path{Bucket: "b", Key: "k"}
				_, err := c.Put(t.Context(), p, strings.NewReader("content"), 7, remote.PutOptions{})
				wantCode(t, "Put", err, remote.BadDigest, nil)
				equal(t, "puts", s.puts, 3)
				s.damage = nil
				put(t, c, p, "content", remote.PutOptions{})
			})
		})
	}
}

// A part cannot be read back: it counts once ETags are known to be MD5s.
func TestPartStoredWrongly(t *testing.T) {
	for what, part := range map[string]io.ReaderAt{"from a file": strings.NewReader("part"), "from memory": remote.Memory("part")} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &etagServer{etag: isMD5}
				c, _ := scripted(t, s.answer)
				u := c.Resume(remote.Path{Bucket: "b", Key: "k"}, "id", remote.PutOptions{})
				if _, err := u.Part(t.Context(), 1, part, 4); err != nil {
					t.Fatal(err)
				}
				s.damage = spoil
				_, err := u.Part(t.Context(), 2, part, 4)
				wantCode(t, "Part", err, remote.BadDigest, nil)
				equal(t, "puts", s.puts, 4)
			})
		})
	}
}

// Parts that are in memory are hashed side by side where many are sent at once.
func TestPartsAtOnceHaveTheirOwnSums(t *testing.T) {
	for _, atOnce := range []int{1, 7, 8, 40} {
		t.Run(strconv.Itoa(atOnce), func(t *testing.T) {
			c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				if sum := md5.Sum(body); r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
					return refusal(r, 400, "BadDigest"), nil
				}
				return answer(r, 200, "", "ETag", string(md5Of(body))), nil
			})
			u := c.Resume(remote.Path{Bucket: "b", Key: "k"}, "id", remote.PutOptions{})
			var g errgroup.Group
			for n := range atOnce {
				body := remote.Memory(strings.Repeat(strconv.Itoa(n), 1_000_000+n))
				g.Go(func() error {
					_, err := u.Part(t.Context(), n+1, body, int64(len(body)))
					return err
				})
			}
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Keys that may write and not read: Content-MD5 has to do.
func TestETagsWithoutPermissionToRead(t *testing.T) {
	s := &etagServer{etag: notMD5, refuse: true}
	c, _ := scripted(t, s.answer)
	put(t, c, remote.Path{Bucket: "b", Key: "k"}, "content", remote.PutOptions{})
	equal(t, "gets", s.gets, 1)
}
