package emulator_test

import (
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

func begin(t *testing.T, s *emulatortest.Server, path string, header map[string]string) (id string) {
	t.Helper()
	r := must(t, s, call{method: "POST", path: path + "?uploads=", header: header})
	var v struct{ Bucket, Key, UploadId string }
	if err := xml.Unmarshal([]byte(r.body), &v); err != nil || v.UploadId == "" {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v.UploadId
}

func uploadPart(t *testing.T, s *emulatortest.Server, path, id string, number int, body string) (etag string) {
	t.Helper()
	return must(t, s, call{method: "PUT", path: fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, number, id), body: body}).header.Get("ETag")
}

func completion(path, id string, parts ...any) call {
	b := "<CompleteMultipartUpload>"
	for i := 0; i < len(parts); i += 2 {
		b += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", parts[i], strings.Trim(parts[i+1].(string), `"`))
	}
	return call{method: "POST", path: path + "?uploadId=" + id, body: b + "</CompleteMultipartUpload>"}
}

// NAVER's multipart operations: parts of at least 5 MB (taken as 5 MiB, the
// stricter reading) except the last, the ETag HEX-N. That a repeated number
// replaces the part is S3's rule.
func TestMultipartUpload(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	big := strings.Repeat("0123456789abcdef", 5<<16)
	id := begin(t, s, "/bucket/key", map[string]string{"Content-Type": "text/x", "x-amz-meta-a": "1", "x-amz-acl": "public-read"})
	last := uploadPart(t, s, "/bucket/key", id, 7, "tail")
	uploadPart(t, s, "/bucket/key", id, 2, "replaced")
	first := uploadPart(t, s, "/bucket/key", id, 2, big)
	if first != `"`+hexMD5(big)+`"` {
		t.Errorf("the part's ETag is %s", first)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/key"}, 404, "NoSuchKey")
	r := must(t, s, completion("/bucket/key", id, 2, first, 7, last))
	one, _ := hex.DecodeString(hexMD5(big))
	two, _ := hex.DecodeString(hexMD5("tail"))
	etag := hexMD5(string(one), string(two)) + "-2"
	if !strings.Contains(r.body, etag) {
		t.Errorf("got %s, want ETag %s", r.body, etag)
	}
	r = must(t, s, call{method: "GET", path: "/bucket/key", anonymous: true})
	if r.body != big+"tail" || r.header.Get("ETag") != `"`+etag+`"` || r.header.Get("Content-Type") != "text/x" || r.header.Get("x-amz-meta-a") != "1" {
		t.Errorf("%d bytes, %v", len(r.body), r.header)
	}
	wantCode(t, s, completion("/bucket/key", id, 2, first, 7, last), 404, "NoSuchUpload")
	must(t, s, call{method: "PUT", path: "/bucket/copy", header: map[string]string{"x-amz-copy-source": "/bucket/key"}})
	must(t, s, call{method: "DELETE", path: "/bucket/key"})
	if r := must(t, s, call{method: "GET", path: "/bucket/copy", header: map[string]string{"Range": fmt.Sprintf("bytes=%d-", 5<<20-2)}}); r.body != "eftail" {
		t.Errorf("the copy's end is %q", r.body)
	}
}

// NAVER's table: EntityTooSmall, InvalidPart, InvalidPartOrder, NoSuchUpload.
func TestMultipartRules(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	id := begin(t, s, "/bucket/key", nil)
	a := uploadPart(t, s, "/bucket/key", id, 1, "small")
	b := uploadPart(t, s, "/bucket/key", id, 2, "small too")
	wantCode(t, s, completion("/bucket/key", id, 1, a, 2, b), 400, "EntityTooSmall")
	wantCode(t, s, completion("/bucket/key", id, 2, b, 1, a), 400, "InvalidPartOrder")
	wantCode(t, s, completion("/bucket/key", id, 1, a, 1, a), 400, "InvalidPartOrder")
	wantCode(t, s, completion("/bucket/key", id, 2, b, 3, b), 400, "InvalidPart")
	wantCode(t, s, completion("/bucket/key", id, 1, b), 400, "InvalidPart")
	wantCode(t, s, completion("/bucket/key", id, 3, a), 400, "InvalidPart")
	wantCode(t, s, completion("/bucket/key", id), 400, "MalformedXML")
	wantCode(t, s, completion("/bucket/other", id, 1, a), 404, "NoSuchUpload")
	for _, number := range []string{"0", "10001", "x", ""} {
		wantCode(t, s, call{method: "PUT", path: "/bucket/key?partNumber=" + number + "&uploadId=" + id, body: "x"}, 400, "InvalidArgument")
	}
	uploadPart(t, s, "/bucket/key", id, 10000, "x")
	wantCode(t, s, call{method: "PUT", path: "/bucket/key?partNumber=1&uploadId=none", body: "x"}, 404, "NoSuchUpload")
	must(t, s, completion("/bucket/key", id, 1, a))
	if r := must(t, s, call{method: "GET", path: "/bucket/key"}); r.body != "small" {
		t.Errorf("got %q", r.body)
	}
}

func TestAbortForgetsTheUpload(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	id := begin(t, s, "/bucket/key", nil)
	a := uploadPart(t, s, "/bucket/key", id, 1, "x")
	must(t, s, call{method: "DELETE", path: "/bucket/key?uploadId=" + id})
	wantCode(t, s, call{method: "DELETE", path: "/bucket/key?uploadId=" + id}, 404, "NoSuchUpload")
	wantCode(t, s, completion("/bucket/key", id, 1, a), 404, "NoSuchUpload")
	wantCode(t, s, call{method: "PUT", path: "/bucket/key?partNumber=1&uploadId=" + id, body: "x"}, 404, "NoSuchUpload")
}

func TestOnlyItsInitiatorAndTheBucketsOwnerGoOnWithAnUpload(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	makeOpenBucket(t, s)
	id := begin(t, s, "/bucket/key", nil)
	wantCode(t, s, call{method: "PUT", path: "/bucket/key?partNumber=1&uploadId=" + id, body: "x", as: emulatortest.Bob()}, 403, "AccessDenied")
	r := must(t, s, call{method: "POST", path: "/bucket/bobs?uploads", as: emulatortest.Bob()})
	bobs := r.body[strings.Index(r.body, "<UploadId>")+len("<UploadId>") : strings.Index(r.body, "</UploadId>")]
	must(t, s, call{method: "DELETE", path: "/bucket/bobs?uploadId=" + bobs})
}

type uploadsResult struct {
	KeyMarker, NextKeyMarker, NextUploadIdMarker string
	IsTruncated                                  bool
	Upload                                       []struct{ Key, UploadId, Initiated string }
	CommonPrefixes                               []struct{ Prefix string }
}

// NAVER's List Multipart Uploads: prefix, delimiter, key-marker,
// upload-id-marker, max-uploads.
func TestListMultipartUploads(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	ids := map[string]bool{}
	for _, key := range []string{"a", "a", "a", "dir/x", "dir/y", "z"} {
		ids[begin(t, s, "/bucket/"+key, nil)] = true
	}
	get := func(query string) (u uploadsResult, keys string) {
		t.Helper()
		r := must(t, s, call{method: "GET", path: "/bucket?uploads=" + query})
		if err := xml.Unmarshal([]byte(r.body), &u); err != nil {
			t.Fatal(err)
		}
		for _, x := range u.Upload {
			keys += x.Key + " "
		}
		for _, p := range u.CommonPrefixes {
			keys += p.Prefix + " "
		}
		return u, strings.TrimSpace(keys)
	}
	for query, want := range map[string]string{
		"":                            "a a a dir/x dir/y z",
		"&prefix=dir":                 "dir/x dir/y",
		"&delimiter=%2F":              "a a a z dir/",
		"&key-marker=a":               "dir/x dir/y z",
		"&delimiter=%2F&key-marker=b": "z dir/",
	} {
		if _, got := get(query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	key, id := "", ""
	for range 3 {
		u, _ := get("&max-uploads=2&key-marker=" + strings.ReplaceAll(key, "/", "%2F") + "&upload-id-marker=" + id)
		for _, x := range u.Upload {
			if !ids[x.UploadId] {
				t.Errorf("upload %s twice or never begun", x.UploadId)
			}
			delete(ids, x.UploadId)
		}
		key, id = u.NextKeyMarker, u.NextUploadIdMarker
		if u.IsTruncated != (len(ids) > 0) {
			t.Errorf("truncated: %v with %d left", u.IsTruncated, len(ids))
		}
	}
	if len(ids) > 0 {
		t.Errorf("%d uploads not listed", len(ids))
	}
}

// TestReadyMemoryIsUsedAgain, and what is stored in it is what was sent.
func TestReadyMemoryIsUsedAgain(t *testing.T) {
	s := withBucket(t, emulator.Options{ReadyMemory: 1})
	for _, fill := range []string{"a", "b", "\x00"} {
		body := strings.Repeat(fill, 5<<20)
		put(t, s, "/bucket/key", body)
		if got := must(t, s, call{method: "GET", path: "/bucket/key"}); got.body != body {
			t.Errorf("%q: other bytes came back", fill)
		}
		must(t, s, call{method: "DELETE", path: "/bucket/key"})
	}
}
