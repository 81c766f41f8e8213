package emulator_test

import (
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// NAVER's table has InvalidBucketName; the rules of names here are S3's.
func TestBucketNames(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	for _, name := range []string{"abc", "a.b-c", "0ab", strings.Repeat("x", 63)} {
		must(t, s, call{method: "PUT", path: "/" + name})
	}
	for _, name := range []string{"ab", strings.Repeat("x", 64), "Abc", "a_b", "-abc", "abc.", "a..b", "a.-b", "192.168.0.1"} {
		wantCode(t, s, call{method: "PUT", path: "/" + name}, 400, "InvalidBucketName")
	}
}

// NAVER's table: BucketAlreadyExists and BucketNotEmpty 409, TooManyBuckets 400.
func TestLifeOfABucket(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{MaxBuckets: 2})
	wantCode(t, s, call{method: "GET", path: "/bucket"}, 404, "NoSuchBucket")
	must(t, s, call{method: "PUT", path: "/bucket", body: `<CreateBucketConfiguration><LocationConstraint>kr-standard</LocationConstraint></CreateBucketConfiguration>`})
	wantCode(t, s, call{method: "PUT", path: "/bucket"}, 409, "BucketAlreadyExists")
	wantCode(t, s, call{method: "PUT", path: "/bucket", as: emulatortest.Bob()}, 409, "BucketAlreadyExists")
	wantCode(t, s, call{method: "PUT", path: "/elsewhere", body: `<CreateBucketConfiguration><LocationConstraint>us</LocationConstraint></CreateBucketConfiguration>`}, 400, "InvalidLocationConstraint")
	must(t, s, call{method: "HEAD", path: "/bucket"})
	must(t, s, call{method: "PUT", path: "/another"})
	wantCode(t, s, call{method: "PUT", path: "/third"}, 400, "TooManyBuckets")
	must(t, s, call{method: "PUT", path: "/bobs", as: emulatortest.Bob()})

	list := must(t, s, call{method: "GET", path: "/"}).body
	if !strings.Contains(list, "<Name>another</Name>") || !strings.Contains(list, "<Name>bucket</Name>") || strings.Contains(list, "bobs") {
		t.Errorf("alice's buckets: %s", list)
	}
	wantCode(t, s, call{method: "GET", path: "/", anonymous: true}, 403, "AccessDenied")

	put(t, s, "/bucket/key", "x")
	wantCode(t, s, call{method: "DELETE", path: "/bucket"}, 409, "BucketNotEmpty")
	must(t, s, call{method: "DELETE", path: "/bucket/key"})
	wantCode(t, s, call{method: "DELETE", path: "/bucket", as: emulatortest.Bob()}, 403, "AccessDenied")
	must(t, s, call{method: "DELETE", path: "/bucket"})
	wantCode(t, s, call{method: "DELETE", path: "/bucket"}, 404, "NoSuchBucket")
}

// NAVER's overview lists none of these.
func TestUndocumentedOperationsAreNotImplemented(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/key", "x")
	copySource := map[string]string{"x-amz-copy-source": "/bucket/key"}
	for _, c := range []call{
		{method: "GET", path: "/bucket?list-type=2"},
		{method: "GET", path: "/bucket?location"},
		{method: "GET", path: "/bucket?versioning"},
		{method: "GET", path: "/bucket?versions"},
		{method: "GET", path: "/bucket?tagging"},
		{method: "GET", path: "/bucket?policy"},
		{method: "GET", path: "/bucket?lifecycle"},
		{method: "PUT", path: "/bucket/key?tagging", body: "<Tagging/>"},
		{method: "GET", path: "/bucket/key?versionId=1"},
		{method: "GET", path: "/bucket/key?uploadId=1"},
		{method: "GET", path: "/bucket/key?partNumber=1"},
		{method: "PUT", path: "/bucket/key?partNumber=1&uploadId=1", header: copySource},
		{method: "POST", path: "/bucket", body: "form"},
	} {
		wantCode(t, s, c, 501, "NotImplemented")
	}
	wantCode(t, s, call{method: "PATCH", path: "/bucket/key"}, 405, "MethodNotAllowed")
	counts := s.Counts()
	for _, op := range []string{emulator.OpListObjectsV2, emulator.OpUploadPartCopy, emulator.OpListParts, emulator.OpGetBucketLocation} {
		if counts[op] != 1 {
			t.Errorf("%s counted %d times", op, counts[op])
		}
	}
}

func TestVirtualHostStyleFindsTheSameObject(t *testing.T) {
	s := withBucket(t, emulator.Options{Domain: "kr.example.test"})
	put(t, s, "/bucket/key", "hello")
	req := call{method: "GET", path: "/key", anonymous: true}.request(t, s)
	req.Host = "bucket.kr.example.test"
	if r := send(t, s, req); r.code != "AccessDenied" { // found, but private
		t.Errorf("got %d %s", r.status, r.code)
	}
	must(t, s, call{method: "PUT", path: "/bucket/key?acl", header: map[string]string{"x-amz-acl": "public-read"}})
	req = call{method: "GET", path: "/key", anonymous: true}.request(t, s)
	req.Host = "bucket.kr.example.test"
	if r := send(t, s, req); r.body != "hello" {
		t.Errorf("got %d %s", r.status, r.body)
	}
}
