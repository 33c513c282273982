package ecgrid_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

func TestThePrivateTransportIsBounded(t *testing.T) {
	rt, ok := ecgrid.PrivateTransport().(*http.Transport)
	require.True(t, ok)
	assert.Equal(t, int64(64<<10), rt.MaxResponseHeaderBytes)
	assert.True(t, rt.DisableCompression)
	assert.Equal(t, 64, rt.MaxIdleConnsPerHost)
	assert.Equal(t, ecgrid.MaxSignIns+ecgrid.MaxRefreshes+80, rt.MaxConnsPerHost)
	assert.Equal(t, 45*time.Second, rt.IdleConnTimeout)
	assert.True(t, rt.ForceAttemptHTTP2)
	require.NotNil(t, rt.HTTP2)
	assert.Positive(t, rt.HTTP2.SendPingTimeout)
	assert.NotNil(t, rt.Proxy, "proxies from the environment are kept")
}

func TestThePrivateTransportLeavesTheDefaultAlone(t *testing.T) {
	shared, ok := http.DefaultTransport.(*http.Transport)
	require.True(t, ok)
	before := shared.Clone()
	rt := ecgrid.PrivateTransport()
	assert.NotSame(t, shared, rt)
	assert.NotSame(t, rt, ecgrid.PrivateTransport())
	assert.Same(t, shared, http.DefaultTransport)
	assert.Equal(t, before.MaxResponseHeaderBytes, shared.MaxResponseHeaderBytes)
	assert.Equal(t, before.DisableCompression, shared.DisableCompression)
	assert.Equal(t, before.MaxIdleConnsPerHost, shared.MaxIdleConnsPerHost)
	assert.Equal(t, before.MaxConnsPerHost, shared.MaxConnsPerHost)
	assert.Nil(t, shared.HTTP2)
}

func TestThePrivateTransportKeepsHowTheProgramDials(t *testing.T) {
	saved := http.DefaultTransport
	defer func() { http.DefaultTransport = saved }()
	mine := errors.New("dialled my way")
	http.DefaultTransport = &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, mine },
		HTTP2:       &http.HTTP2Config{SendPingTimeout: time.Minute},
	}
	rt, ok := ecgrid.PrivateTransport().(*http.Transport)
	require.True(t, ok)
	_, err := rt.DialContext(t.Context(), "tcp", "127.0.0.1:0")
	require.ErrorIs(t, err, mine)
	assert.Equal(t, time.Minute, rt.HTTP2.SendPingTimeout)
}

func TestThePrivateTransportNeverUsesAReplacedDefaultThatIsNoTransport(t *testing.T) {
	saved := http.DefaultTransport
	defer func() { http.DefaultTransport = saved }()
	for _, replaced := range []http.RoundTripper{
		roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("spied upon") }),
		(*http.Transport)(nil),
		nil,
	} {
		http.DefaultTransport = replaced
		rt, ok := ecgrid.PrivateTransport().(*http.Transport)
		require.True(t, ok)
		assert.Equal(t, int64(64<<10), rt.MaxResponseHeaderBytes)
		assert.True(t, rt.ForceAttemptHTTP2)
		assert.NotNil(t, rt.Proxy)
		assert.Positive(t, rt.TLSHandshakeTimeout)
	}
}
