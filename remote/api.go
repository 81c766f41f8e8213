// This file is the agreed surface; each part moves to the file of its type.
package remote

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"time"
)

// ErrChanged: the object is no longer the version that was asked for (412).
var ErrChanged = errors.New("object changed")

// ErrTooLarge: the object, part, key or metadata is over the service's limit.
var ErrTooLarge = errors.New("too large")

type Code string // the service's error code, e.g. "NoSuchKey"; for HEAD deduced from the status

type Error struct {
	Op        string // "GET", "PUT", "LIST", "COPY", ...
	Path      Path
	Code      Code
	Status    int // HTTP status; 0 when no answer came
	RequestID string
	Message   string
	Err       error // cause, when no answer came
}

func (e *Error) Error() string { return e.Op + " " + e.Path.String() + ": " + string(e.Code) }
func CodeOf(err error) Code    { panic("not built") } // "" when err holds no *Error

type Secret string // prints and marshals as "[redacted]"; Reveal returns it

type Credentials struct {
	AccessKey string
	SecretKey Secret
	Anonymous bool
	Source    string // where they were found, for messages
}

type Options struct {
	Endpoint string // URL; empty: the region's
	Region   string // "kr" (default), "us", ... or a SigV4 region name with Endpoint

	Credentials Credentials

	ConnectTimeout   time.Duration // default 10 s
	FirstByteTimeout time.Duration // from the end of the request to the answer's header; default 60 s
	StallTimeout     time.Duration // no byte of a body in either direction; default 30 s
	RetryTime        time.Duration // all attempts of one call together; default 5 min

	Transport http.RoundTripper // default: tuned net/http transport with proxies and extra CA certificates of the environment
	Logger    *slog.Logger      // default: discards
	UserAgent string            // default "ncloudfs"
}

// Client is safe for concurrent use.
type Client struct{}

func New(o Options) (*Client, error) { panic("not built") }

func (c *Client) Endpoint() string { panic("not built") } // URL
func (c *Client) Region() string   { panic("not built") } // SigV4 region

// --- objects

func (c *Client) Head(ctx context.Context, p Path) (Object, error) { panic("not built") }

type GetOptions struct {
	Offset  int64 // first byte
	Length  int64 // bytes; 0: to the end
	IfMatch ETag  // empty: any version
}

// Get: Body.Object describes the version that is delivered (Size is the whole
// object's). Body.Read returns io.ErrUnexpectedEOF when the body is shorter
// than announced. Get retries until the header came; the caller retries a
// body that breaks. A range past the end: Body is empty, no error.
func (c *Client) Get(ctx context.Context, p Path, o GetOptions) (*Body, error) { panic("not built") }

type Body struct {
	Object Object
	Length int64 // bytes that Read will deliver
	io.ReadCloser
}

type PutOptions struct {
	ContentType string // empty: application/octet-stream
	Meta        Meta
	ACL         string // canned; empty: the service's default (private)
}

// Put stores size bytes of body with one request, with Content-MD5. The ETag
// that comes back is compared with the MD5 where the bucket's ETags are MD5s.
func (c *Client) Put(ctx context.Context, p Path, body io.ReaderAt, size int64, o PutOptions) (Object, error) {
	panic("not built")
}

type CopyOptions struct {
	IfMatch     ETag   // the source must be this version; empty: any
	Replace     bool   // Meta and ContentType below replace the source's
	Meta        Meta   // with Replace
	ContentType string // with Replace
	ACL         string
}

func (c *Client) Copy(ctx context.Context, dst, src Path, o CopyOptions) (Object, error) {
	panic("not built")
}
func (c *Client) Delete(ctx context.Context, p Path) error { panic("not built") } // absent is no error

// DeleteMany deletes any number of keys in batches of 1000; keys that XML 1.0
// cannot express are deleted singly. failed has an entry for every key not
// known to be gone; err is for the call as a whole.
func (c *Client) DeleteMany(ctx context.Context, bucket string, keys []string) (failed map[string]error, err error) {
	panic("not built")
}

// --- listings

type ListOptions struct {
	Bucket    string
	Prefix    string
	Delimiter string // "/" or empty
	Marker    string // keys after it
	MaxKeys   int    // 1..1000; 0: 1000
}

type Page struct {
	Objects  []Object
	Prefixes []string // common prefixes, whole
	Next     string   // marker of the next page; empty: this was the last
	Ordered  bool     // keys and prefixes came in ascending byte order, all after the marker
}

func (c *Client) ListPage(ctx context.Context, o ListOptions) (*Page, error) { panic("not built") }

// List yields the pages of a listing, first to last. The sequence ends after a
// page whose Next is empty or after the first error; a cancelled context is
// an error, so a sequence without one was complete.
func (c *Client) List(ctx context.Context, o ListOptions) iter.Seq2[*Page, error] {
	panic("not built")
}

// --- multipart

type Part struct {
	Number int // 1..10000
	ETag   ETag
	Size   int64
}

// Upload is one multipart upload. Safe for concurrent use.
type Upload struct{}

func (c *Client) Begin(ctx context.Context, p Path, o PutOptions) (*Upload, error) {
	panic("not built")
}
func (c *Client) Resume(p Path, id string) *Upload { panic("not built") } // no request
func (u *Upload) ID() string                       { panic("not built") }
func (u *Upload) Part(ctx context.Context, number int, body io.ReaderAt, size int64) (Part, error) {
	panic("not built")
}
func (u *Upload) Complete(ctx context.Context, parts []Part) (Object, error) { panic("not built") } // parts in order
func (u *Upload) Abort(ctx context.Context) error                            { panic("not built") } // NoSuchUpload is no error

type UploadInfo struct {
	Path      Path
	ID        string
	Initiated time.Time
	Owner     string
}

func (c *Client) Uploads(ctx context.Context, bucket, prefix string) iter.Seq2[UploadInfo, error] {
	panic("not built")
}

// --- buckets

type Bucket struct {
	Name    string
	Created time.Time
}

func (c *Client) Buckets(ctx context.Context) ([]Bucket, error)              { panic("not built") }
func (c *Client) HeadBucket(ctx context.Context, bucket string) error        { panic("not built") }
func (c *Client) MakeBucket(ctx context.Context, bucket, acl string) error   { panic("not built") }
func (c *Client) RemoveBucket(ctx context.Context, bucket string) error      { panic("not built") }
func (c *Client) ACL(ctx context.Context, p Path) (*ACL, error)              { panic("not built") } // Key empty: the bucket's
func (c *Client) SetACL(ctx context.Context, p Path, a *ACL) error           { panic("not built") }
func (c *Client) SetCannedACL(ctx context.Context, p Path, acl string) error { panic("not built") }

type ACL struct {
	Owner  Grantee
	Grants []Grant
}
type Grantee struct {
	ID          string
	DisplayName string
	Group       string // URI
	Email       string
}
type Grant struct {
	Grantee    Grantee
	Permission string // READ, WRITE, READ_ACP, WRITE_ACP, FULL_CONTROL
}

func (a *ACL) Canned() string { panic("not built") } // its canned name, or ""
