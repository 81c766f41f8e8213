package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
)

// Impatient returns o for somebody who waits at a terminal: an endpoint that
// is not there is an error after seconds, not after the five minutes that a
// mounted file system keeps trying.
func Impatient(o remote.Options) remote.Options {
	o.ConnectTimeout = 5 * time.Second
	o.FirstByteTimeout = 15 * time.Second
	o.RetryTime = 3 * time.Second
	return o
}

// Probe lists one key below prefix: one request, which the least rights that
// a mount can work with allow. Its error is one line that says what to do.
func Probe(ctx context.Context, o remote.Options, bucket, prefix string) error {
	c, err := remote.New(Impatient(o))
	if err != nil {
		return err
	}
	if bucket == remote.Account {
		return probeAccount(ctx, c, o.Credentials)
	}
	_, err = c.ListPage(ctx, remote.ListOptions{Bucket: bucket, Prefix: prefix, MaxKeys: 1})
	if err != nil {
		return fmt.Errorf("cannot use bucket %q at %s: %w", bucket, c.Endpoint(), Explained(err, o.Credentials))
	}
	return nil
}

// probeAccount lists buckets, unless they can only be entered by name.
func probeAccount(ctx context.Context, c *remote.Client, keys remote.Credentials) error {
	if _, err := c.Buckets(ctx); err != nil && remote.CodeOf(err) != remote.AccessDenied && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("cannot list buckets at %s: %w", c.Endpoint(), Explained(err, keys))
	}
	return nil
}

// Explained adds to err what to do about it, where package remote, which
// knows what the service answered, has not done so.
func Explained(err error, keys remote.Credentials) error {
	advice := advice(err)
	if errors.Is(err, os.ErrPermission) && remote.CodeOf(err) != "" {
		advice = "the keys are from " + keys.Source
		if keys.Anonymous {
			advice = "no keys were sent because of --anonymous: only public buckets can be listed so"
		}
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// advice says what to do when no answer came; "" when there is nothing to say.
func advice(err error) string {
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "no such host: check --endpoint and --region for a slip, and the name service (DNS)"
	case errors.Is(err, unix.ECONNREFUSED):
		return "nobody listens there: check the host and port of --endpoint"
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return "no route there: check the network; a private endpoint works only inside its VPC"
	case errors.As(err, &unknownCA):
		return "its certificate is not trusted: name the file of your CA in SSL_CERT_FILE"
	case errors.As(err, &wrongHost):
		return "its certificate is for another host: check --endpoint"
	case errors.As(err, &invalid):
		return "its certificate is not valid now: check this machine's clock"
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS: is it http:// instead of https://?"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer: check --endpoint, firewall and proxy (HTTPS_PROXY, NO_PROXY)"
	}
	return ""
}
