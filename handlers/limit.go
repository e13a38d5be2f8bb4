package handlers

import (
	"context"
	"net/http"

	"github.com/sessiond/sessiond/redisstore"
)

// limited charges a request to the user whose live session it bears, or else to
// its address, and goes on while there is allowance left.
func (a *API) limited(next userHandler) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, quota, err := a.identify(r)
		if err != nil {
			return err
		}
		setQuota(w, quota)
		if !quota.Allowed {
			a.metrics.refused(c)
			return errRateLimited(retryAfter(quota))
		}
		return next(w, r, c)
	}
}

// identify is the token check. The caller is nil where the request bears no
// token of a live session.
func (a *API) identify(r *http.Request) (*caller, redisstore.Quota, error) {
	ctx := r.Context()
	address := limitKey(infoOf(ctx).clientIP)
	claims, signed := a.claims(r)
	if !signed {
		a.metrics.unsigned(r)
		quota, err := a.store.ChargeAddress(ctx, address)
		return nil, quota, err
	}
	access, err := a.store.Authenticate(ctx, bearerOf(claims), address)
	a.metrics.checked(ctx, access, err)
	if err != nil || !access.Live {
		return nil, access.Quota, err
	}
	return newCaller(ctx, claims, access), access.Quota, nil
}

// limitLogin charges a login to its address.
func (a *API) limitLogin(ctx context.Context, w http.ResponseWriter) error {
	quota, err := a.store.AllowLogin(ctx, limitKey(infoOf(ctx).clientIP))
	return a.admitLogin(w, quota, err)
}

// admitLogin refuses what the login limiter did not allow.
func (a *API) admitLogin(w http.ResponseWriter, quota redisstore.Quota, err error) error {
	if err != nil {
		return err
	}
	setQuota(w, quota)
	if !quota.Allowed {
		a.metrics.rateLimited.WithLabelValues(limitOfLogin).Inc()
		return errRateLimited(retryAfter(quota))
	}
	return nil
}
