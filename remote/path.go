package remote

// Path names an object: a bucket and a key in it. A Path with an empty Key
// names the bucket itself, and the zero Path the account.
type Path struct {
	Bucket string
	Key    string
}

// String returns "bucket/key", for messages.
func (p Path) String() string {
	p = p.Resolve()
	if p.Key == "" {
		return p.Bucket
	}
	return p.Bucket + "/" + p.Key
}

// MaxKeyLength is the longest key in bytes that the service accepts
// (Object Storage API guide: KeyTooLong).
const MaxKeyLength = 1023
