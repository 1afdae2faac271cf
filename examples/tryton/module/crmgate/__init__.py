"""Tryton signs people in by what crmgate says, and by nothing else that a browser says.

Every request through the gateway carries a signed assertion. It is checked here, so somebody who reaches trytond past the gateway is nobody,
and a Tryton session is good only for the person whom the gateway names with the same request.

trytond.conf:

    [session]
    authentications = crmgate

    [crmgate]
    jwks = https://crm.example.com/_gate/jwks.json
    issuer = https://crm.example.com
    audience = tryton
"""

import logging

import jwt
from trytond.config import config
from trytond.pool import Pool, PoolMeta
from trytond.protocols import wrappers
from trytond.transaction import Transaction

logger = logging.getLogger(__name__)
HEADER = "X-Crmgate-Assertion"
_keys = None


def person(assertion):
    """Returns the address that an assertion vouches for, or None."""
    global _keys
    try:
        # No other kind of token of the same issuer will do (RFC 8725, 3.11).
        if jwt.get_unverified_header(assertion).get("typ") != "crmgate+jwt":
            return None
        if _keys is None:
            _keys = jwt.PyJWKClient(config.get("crmgate", "jwks"))
        claims = jwt.decode(
            assertion,
            _keys.get_signing_key_from_jwt(assertion).key,
            algorithms=["ES256"],
            issuer=config.get("crmgate", "issuer"),
            audience=config.get("crmgate", "audience"),
            leeway=30,
            options={"require": ["iss", "aud", "sub", "exp"]},
        )
    except jwt.PyJWTError as e:
        logger.warning("assertion refused: %s", e)
        return None
    return claims.get("email") or None


def _vouched(request):
    """Whom the gateway names with this request; asked once for each."""
    if "crmgate.person" not in request.environ:
        request.environ["crmgate.person"] = person(request.headers.get(HEADER, ""))
    return request.environ["crmgate.person"]


def _bind_to_gateway(cls):
    """A request is what the gateway says it is. Changed in place: the application holds the class already."""
    given, told = cls.authorization.func, cls.context.func

    def authorization(self):
        auth = given(self)
        # Another person's session, left in this browser, opens nothing; nor does a password.
        if auth is None or auth.type != "session" or auth.get("username") != _vouched(self):
            return None
        return auth

    def context(self):
        return dict(told(self), crmgate_person=_vouched(self))

    cls.authorization, cls.context = property(authorization), property(context)
    cls.crmgate = True


class User(metaclass=PoolMeta):
    __name__ = "res.user"

    @classmethod
    def _login_crmgate(cls, login, parameters):
        vouched = Transaction().context.get("_request", {}).get("crmgate_person")
        if not vouched or vouched != login:
            return None
        return cls._get_login(login)[0]


def register():
    if not getattr(wrappers.Request, "crmgate", False):
        _bind_to_gateway(wrappers.Request)
    Pool.register(User, module="crmgate", type_="model")
