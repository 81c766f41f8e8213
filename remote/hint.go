package remote

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

// maxSkew is how far the clock may be off before the service refuses a
// signature (Signature Version 4: 15 minutes).
const maxSkew = 15 * time.Minute

// errorDocument is the service's answer to what failed.
type errorDocument struct {
	Code      string
	Message   string
	RequestID string `xml:"RequestId"`
	Region    string // where the bucket is
	Endpoint  string // where to ask instead
}

// hint says what a person can do about e; "" when there is nothing to say.
func hint(e *Error, resp *http.Response, doc errorDocument) string {
	switch e.Code {
	case RequestTimeTooSkewed, AccessDenied, SignatureDoesNotMatch:
		if skew, ok := skewOf(resp.Header); ok && (skew.Abs() > maxSkew || e.Code == RequestTimeTooSkewed) {
			return "clock: this machine is " + describeSkew(skew) + "; set its clock"
		}
	}
	switch e.Code {
	case NoSuchBucket, AccessDenied, InvalidAccessKeyID, SignatureDoesNotMatch:
		if host := hostOf(resp); isOtherProduct(host) {
			return host + " is of the product Ncloud Storage, whose buckets are others: Object Storage is at " + Regions()[0].Endpoint + " and the like"
		}
		if e.Code == AccessDenied && e.Op == opSetACL {
			return "the keys may not set ACLs; a mount with --acl=private does not, and what it rewrites or renames becomes private"
		}
	case AuthorizationHeaderMalformed, PermanentRedirect, Redirect, TemporaryRedirect:
		return elsewhere(resp, doc)
	}
	return hintOf(e.Code)
}

// hostOf is whom the answer came from.
func hostOf(resp *http.Response) string {
	if resp.Request == nil {
		return ""
	}
	return resp.Request.URL.Hostname()
}

// isOtherProduct reports whether host is of Ncloud Storage
// (BUCKET.kr.ncloudstorage.com), a product with buckets of its own.
func isOtherProduct(host string) bool {
	host = strings.ToLower(host)
	return strings.HasSuffix(host, ".ncloudstorage.com") && !strings.Contains(host, "object.")
}

// elsewhere says where the bucket is, as far as the service tells.
func elsewhere(resp *http.Response, doc errorDocument) string {
	region := cmp.Or(resp.Header.Get("x-amz-bucket-region"), doc.Region)
	known, _ := FindRegion(region)
	switch {
	case known.Name != "":
		return "the bucket is in region " + known.Name + ": give --region " + known.Name
	case region != "":
		return "the bucket is in region " + region + ": give --region " + region
	case doc.Endpoint != "":
		return "the bucket is at " + printable(doc.Endpoint) + ": give that as --endpoint"
	}
	return "the bucket is in another region: check --region and --endpoint"
}

// hintOf says what a person can do about a code of the documented table.
func hintOf(code Code) string {
	switch code {
	case SignatureDoesNotMatch:
		return "the secret key does not belong to the access key, or the region is wrong"
	case InvalidAccessKeyID:
		return "no such access key at this endpoint: check the key, and that it is of this NAVER Cloud site (public, gov, fin)"
	case AccessDenied:
		return "the keys are not allowed to do this; check the key's permissions and the ACL"
	case InvalidSecurity, CredentialsNotSupported:
		return "the endpoint does not accept these keys"
	case RequestTimeTooSkewed:
		return "clock: set this machine's clock"
	case NoSuchBucket:
		return "check the name and the region; a bucket of the newer product Ncloud Storage is not at an Object Storage endpoint"
	case InvalidObjectState:
		return "the object is locked against change (WORM) or archived"
	case PreconditionFailed:
		return "another client has changed the object: open it again"
	case BucketNotEmpty:
		return "remove its objects first, and what `ncloudfs bucket uploads ls` shows by `ncloudfs bucket uploads abort`"
	case BucketAlreadyExists, BucketAlreadyOwnedByYou:
		return "all accounts share the names: choose another"
	case InvalidBucketState:
		return "the bucket is busy with another change: try again later"
	case TooManyBuckets:
		return "the account has as many buckets as it may: remove one"
	case EntityTooLarge:
		return "an object has at most 10 TB, one part 5 GB: see --part-size"
	case KeyTooLong:
		return "the path has more than 1023 bytes: use shorter names"
	case MetadataTooLarge:
		return "the attributes have more than 2 KB in all: remove some user. attributes, or shorten them"
	case MethodNotAllowed, NotImplemented:
		return "the service does not offer this operation"
	case MissingContentLength:
		return "something between here and the service takes lengths away: check the proxy"
	case BadDigest, InvalidDigest, IncompleteBody:
		return "the bytes changed or ended on the way: check the network, the proxy and this machine's memory"
	case NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall:
		return "the upload in parts was ended by somebody else: it is begun anew"
	case OperationAborted, RequestTimeout, InternalError, ServiceUnavailable, SlowDown:
		return "the service is busy or disturbed: it was tried for the whole --retry-time"
	case InvalidRange:
		return "the object is shorter than it was"
	case InvalidBucketName:
		return "no bucket can have this name: check it"
	case InvalidLocationConstraint:
		return "the service does not know this region: check --region"
	case UnresolvableGrantByEmailAddress:
		return "no account has this e-mail address: give its id"
	case MalformedACL:
		return "the service does not take this ACL: give a canned name, or grants to ids"
	case InvalidURI, InvalidArgument, InvalidRequest, MalformedPOSTRequest, MalformedXML, MaxMessageLengthExceeded, MissingRequestBody,
		UserKeyMustBeSpecified, InlineDataTooLarge, UnexpectedContent, MaxPostPreDataLengthExceeded, RequestIsNotMultiPartContent,
		IncorrectNumberOfFilesInPostRequest, InvalidEncryptionAlgorithm:
		return "the service does not understand the request: check that --endpoint is an object store and no proxy changes requests"
	}
	return ""
}

// skewOf is this machine's clock less the server's, by the answer's Date
// header; false when there is none.
func skewOf(h http.Header) (time.Duration, bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, false
	}
	return time.Since(date), true
}

func describeSkew(d time.Duration) string {
	if d < 0 {
		return d.Abs().Round(time.Second).String() + " behind the server"
	}
	return d.Round(time.Second).String() + " ahead of the server"
}
