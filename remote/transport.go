package remote

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// NewTransport is the default transport: HTTP/1.1 (many connections beat the
// one of HTTP/2), proxies by HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and the
// certificates of SSL_CERT_FILE or SSL_CERT_DIR, or else of the system, plus
// those of AWS_CA_BUNDLE. It uses o.ConnectTimeout only.
func NewTransport(o Options) (*http.Transport, error) {
	pool, err := certificates(os.Getenv("AWS_CA_BUNDLE"))
	if err != nil {
		return nil, err
	}
	connect := orDefault(o.ConnectTimeout, 10*time.Second)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connect, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   connect,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
		Protocols:             &protocols,
		DisableCompression:    true,
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       time.Minute,
		ExpectContinueTimeout: 2 * time.Second,
		WriteBufferSize:       64 << 10,
	}, nil
}

// certificates is the system's pool plus the bundle's; nil: the system's.
func certificates(bundle string) (*x509.CertPool, error) {
	if bundle == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(bundle)
	if err != nil {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %s holds no certificate in PEM form", bundle)
	}
	return pool, nil
}
