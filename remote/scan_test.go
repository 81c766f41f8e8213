package remote

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

func page(t *testing.T, doc string, o ListOptions) *Page {
	t.Helper()
	p, err := scanPage([]byte(doc), o)
	if err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return p
}

func entry(key string) string {
	return "<Contents><Key>" + key + `</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>`
}

func list(inner ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
		strings.Join(inner, "") + "</ListBucketResult>"
}

const whole = "<IsTruncated>false</IsTruncated>"

func TestScanDecodesAnEntry(t *testing.T) {
	o := page(t, list(whole, entry("k")), ListOptions{Bucket: "b"}).Objects[0]
	want := Object{Path: Path{"b", "k"}, Size: 7, ETag: "e", StorageClass: "STANDARD",
		ModTime: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}
	if o.Path != want.Path || o.Size != want.Size || o.ETag != want.ETag || !o.ModTime.Equal(want.ModTime) || o.StorageClass != want.StorageClass {
		t.Errorf("got %+v, want %+v", o, want)
	}
}

func TestScanDecodesNames(t *testing.T) {
	for in, want := range map[string]string{
		"a&lt;b&gt;&amp;&quot;&apos;": `a<b>&"'`, "&#65;&#x42;&#xd55c;&#x1F600;": "AB한😀", "&#x1;": "\x01",
		"<![CDATA[a<b&amp;]]>": "a<b&amp;", "a<!-- no -->b": "ab", "a\r\nb\rc": "a\nb\nc", "&#13;": "\r",
		" a ": " a ", "a%20b+c": "a%20b+c", "a<x>y</x>b": "ab", "\xff": "\xff",
	} {
		if got := page(t, list(whole, entry(in)), ListOptions{}).Objects[0].Path.Key; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a%20b+c": "a b c", "%ED%95%9C": "한", "%2B%25": "+%", "%00": "\x00"} {
		// the word that says so may come after the names
		doc := list(entry(in), "<CommonPrefixes><Prefix>"+in+"</Prefix></CommonPrefixes>", whole, "<EncodingType>url</EncodingType>")
		p := page(t, doc, ListOptions{})
		if got := p.Objects[0].Path.Key; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if got := p.Prefixes[0]; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestScanToleratesTheUnknown(t *testing.T) {
	doc := `<!-- x --><s3:ListBucketResult xmlns:s3="a>b" other='"'>` + "\n  <Unknown a=\"&gt;\"><Contents/><Key>no</Key></Unknown><Name/>" +
		"<CommonPrefixes><Other>1</Other><s3:Prefix>p/</s3:Prefix></CommonPrefixes>" +
		"<Contents><Owner><ID>i</ID><DisplayName>d</DisplayName></Owner><Size> 3 </Size><Type>Normal</Type><s3:Key >k</s3:Key ></Contents>" +
		"<IsTruncated>false</IsTruncated><?pi ?></s3:ListBucketResult>"
	p := page(t, doc, ListOptions{})
	if len(p.Objects) != 1 || p.Objects[0].Path.Key != "k" || p.Objects[0].Size != 3 || len(p.Prefixes) != 1 || p.Prefixes[0] != "p/" {
		t.Errorf("%+v", p)
	}
}

// A document that ends early is a broken body; it is never a short page.
func TestScanNeverTakesAPartForTheWhole(t *testing.T) {
	doc := list(whole, entry("a"), entry("b"), "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>")
	for i := range len(doc) {
		_, err := scanPage([]byte(doc[:i]), ListOptions{})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
	}
}

func TestScanRefusesWhatIsNoListing(t *testing.T) {
	for _, doc := range []string{
		"<html><body>Log in</body></html>", "<Error><Code>X</Code></Error>", list(entry("a")), list("<IsTruncated>maybe</IsTruncated>"),
		list(whole, "<Contents><Size>1</Size></Contents>"), list(whole, strings.Replace(entry("a"), ">7<", ">seven<", 1)),
		list(whole, strings.Replace(entry("a"), ">7<", ">99999999999999999999<", 1)), list(whole, strings.Replace(entry("a"), "2026-", "x-", 1)),
		list(whole, entry("&unknown;")), list(whole, entry("a&b")), list(whole, "<A></B>"), list(whole, "<!DOCTYPE x>"),
		list(whole, entry("%zz"), "<EncodingType>url</EncodingType>"),
	} {
		if p, err := scanPage([]byte(doc), ListOptions{}); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %+v %v", doc, p, err)
		}
	}
}

func TestNextMarker(t *testing.T) {
	const more = "<IsTruncated>true</IsTruncated>"
	prefix := func(p string) string { return "<CommonPrefixes><Prefix>" + p + "</Prefix></CommonPrefixes>" }
	marker := func(m string) string { return "<NextMarker>" + m + "</NextMarker>" }
	escaped := "<EncodingType>url</EncodingType>"
	for _, test := range []struct {
		what, doc, marker, want string
		ordered                 bool
	}{
		{"the larger of last key and last prefix", list(more, entry("a"), entry("c"), prefix("b/")), "", "c", true},
		{"the larger of last key and last prefix", list(more, entry("a"), prefix("b/")), "", "b/", true},
		{"only common prefixes", list(more, prefix("a/"), prefix("b/")), "", "b/", true},
		{"NextMarker beyond an empty page", list(more, marker("m")), "", "m", true},
		{"NextMarker within the last common prefix", list(more, prefix("a/"), marker("a/z")), "", "a/z", true},
		{"NextMarker escaped", list(escaped, more, entry("a%2Bb"), marker("a%2Bb")), "", "a+b", true},
		{"NextMarker not escaped as Ceph does", list(escaped, more, entry("a%252Bb"), marker("a%2Bb")), "", "a%2Bb", true},
		{"NextMarker that only looks escaped", list(escaped, more, marker("100%")), "", "100%", true},
		{"out of order, without NextMarker", list(more, entry("c"), entry("a")), "", "c", false},
		{"out of order, with NextMarker", list(more, entry("c"), entry("a"), marker("d")), "", "d", false},
		{"out of order, NextMarker not escaped", list(escaped, more, entry("c%252Bb"), entry("a"), marker("c%2Bb")), "", "c%2Bb", false},
		{"a key before the marker", list(more, entry("a"), entry("c")), "b", "c", false},
		{"a key twice", list(more, entry("c"), entry("c")), "b", "c", false},
		{"not truncated", list(whole, entry("a"), marker("z")), "", "", true},
	} {
		p := page(t, test.doc, ListOptions{Marker: test.marker})
		if p.Next != test.want || p.Ordered != test.ordered {
			t.Errorf("%s: next %q ordered %v, want %q %v", test.what, p.Next, p.Ordered, test.want, test.ordered)
		}
	}
	for _, doc := range []string{list(more), list(more, entry("b")), list(more, entry("a")), list(more, prefix("b"), marker("a"))} {
		if p, err := scanPage([]byte(doc), ListOptions{Marker: "b"}); !errors.Is(err, errMalformed) {
			t.Errorf("no progress: %+v %v in %s", p, err, doc)
		}
	}
}

// xmlPage is what encoding/xml makes of a page.
type xmlPage struct {
	XMLName      xml.Name `xml:"ListBucketResult"`
	IsTruncated  string
	NextMarker   string
	EncodingType string
	Contents     []struct{ Key, ETag, Size, StorageClass, LastModified string }
	Prefixes     []struct{ Prefix []string } `xml:"CommonPrefixes"`
}

func (x *xmlPage) keys() (keys []string) {
	for _, c := range x.Contents {
		keys = append(keys, c.Key)
	}
	return keys
}

// What encoding/xml reads, scanPage reads the same.
func FuzzScanPage(f *testing.F) {
	f.Add(list(whole, entry("a"), entry("b&amp;c"), "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"))
	f.Add(list(whole, entry("<![CDATA[x]]>&#xd;\r\n"), "<!-- c --><Name/><a b='>'/>"))
	f.Add(list("<IsTruncated>true</IsTruncated><NextMarker>n</NextMarker>", entry("a")))
	f.Add(strings.ReplaceAll(list(whole, entry("a")), "<Contents>", "<Contents x=\"y\">"))
	f.Fuzz(func(t *testing.T, doc string) {
		got, err := scanPage([]byte(doc), ListOptions{})
		var want xmlPage
		if xml.Unmarshal([]byte(doc), &want) != nil || want.EncodingType != "" || strings.Contains(doc, "<!D") {
			return // scanPage may be more tolerant
		}
		if err != nil {
			for _, c := range want.Contents {
				_, timeOK := parseTime([]byte(c.LastModified))
				if _, sizeErr := strconv.ParseUint(strings.TrimSpace(c.Size), 10, 62); sizeErr != nil || !timeOK || c.Key == "" {
					return
				}
			}
			if want.IsTruncated != "false" {
				return
			}
			t.Fatalf("%v, but encoding/xml reads %+v in %q", err, want, doc)
		}
		var keys []string
		for i, o := range got.Objects {
			keys = append(keys, o.Path.Key)
			if i < len(want.Contents) && (strconv.FormatInt(o.Size, 10) != strings.TrimLeft(strings.TrimSpace(want.Contents[i].Size), "0") && o.Size != 0 ||
				o.StorageClass != want.Contents[i].StorageClass) {
				t.Fatalf("got %+v, want %+v", o, want.Contents[i])
			}
		}
		if fmt.Sprintf("%q", keys) != fmt.Sprintf("%q", want.keys()) {
			t.Fatalf("got %q, want %q in %q", keys, want.keys(), doc)
		}
		var prefixes []string
		for _, p := range want.Prefixes {
			prefixes = append(prefixes, p.Prefix...)
		}
		if fmt.Sprintf("%q", got.Prefixes) != fmt.Sprintf("%q", prefixes) {
			t.Fatalf("got %q, want %q in %q", got.Prefixes, prefixes, doc)
		}
	})
}

// benchPage is a page of 1000 entries as Ceph and NAVER write them, 287 KB.
func benchPage() []byte {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "<Contents><Key>dir/subdirectory/file-%08d.data</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>"+
			"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>%d</Size><Owner><ID>ncp-1234567-0</ID>"+
			"<DisplayName>ncp-1234567-0</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>", i, i*1000)
	}
	return []byte(list("<EncodingType>url</EncodingType>", whole, b.String()))
}

func BenchmarkScanPage(b *testing.B) {
	doc := benchPage()
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if p, err := scanPage(doc, ListOptions{}); err != nil || len(p.Objects) != 1000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkScanPageByEncodingXML(b *testing.B) {
	doc := benchPage()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		var p xmlPage
		if err := xml.Unmarshal(doc, &p); err != nil || len(p.Contents) != 1000 {
			b.Fatal(err)
		}
	}
}
