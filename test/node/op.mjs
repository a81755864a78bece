// A certified OpenID provider as authorization server of the tests.
//
// Settings come from the environment:
//   OP_RESOURCES       the resources it issues tokens for (RFC 8707), separated by spaces
//   OP_TTL             life of an access token in seconds (30)
//   OP_REFRESH_TTL     life of a refresh token in seconds (3600)
//   OP_JWKS            public keys of the client "m2m-jwt" (a JWK Set)
//   OP_REDIRECT_URI    registers the client "pre-registered" with this redirect URI
//   OP_PUSHED_ONLY     requires pushed authorization requests (RFC 9126)
//   OP_FETCH_LOOPBACK  lets it read client ID metadata documents from this machine
//
// It prints "ready ISSUER", and answers GET /events with what its token endpoint did.
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

const seconds = (name, otherwise) => Number(process.env[name] ?? otherwise);
const resources = (process.env.OP_RESOURCES ?? '').split(' ').filter(Boolean);
const accessTTL = seconds('OP_TTL', 30);
const refreshTTL = seconds('OP_REFRESH_TTL', 3600);
const scope = 'mcp:read mcp:write';

const clients = [
  {
    client_id: 'm2m',
    client_secret: 'm2m-SECRETWORD',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
    scope,
  },
  {
    client_id: 'm2m-post',
    client_secret: 'm2m-post-SECRETWORD',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
    scope,
  },
  {
    client_id: 'device',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  },
];
if (process.env.OP_JWKS) {
  clients.push({
    client_id: 'm2m-jwt',
    jwks: JSON.parse(process.env.OP_JWKS),
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'private_key_jwt',
    scope,
  });
}
if (process.env.OP_REDIRECT_URI) {
  clients.push({
    client_id: 'pre-registered',
    client_secret: 'pre-registered-SECRETWORD',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [process.env.OP_REDIRECT_URI],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    application_type: 'native',
  });
}

const configuration = {
  clients,
  scopes: ['openid', 'offline_access', ...scope.split(' ')],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: {
    AccessToken: accessTTL,
    ClientCredentials: accessTTL,
    RefreshToken: refreshTTL,
    Grant: 3600,
    Session: 3600,
    Interaction: 600,
    DeviceCode: 600,
    AuthorizationCode: 60,
    IdToken: 3600,
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com` }) }),
  fetch: (url, options) => {
    if (process.env.OP_FETCH_LOOPBACK) delete options.dispatcher;
    return globalThis.fetch(url, options);
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: Boolean(process.env.OP_PUSHED_ONLY),
    },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => false,
      getResourceServerInfo: (ctx, resource) => {
        if (!resources.includes(resource)) throw new errors.InvalidTarget('not a resource of this server');
        return {
          scope,
          audience: resource,
          accessTokenTTL: accessTTL,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        };
      },
    },
  },
};

const events = [];
let now = 0; // token requests under way
let most = 0;
function record(event, ctx, error) {
  const { params, client } = ctx.oidc ?? {};
  events.push({
    event,
    grant_type: params?.grant_type,
    client_id: client?.clientId ?? params?.client_id,
    resource: params?.resource,
    scope: params?.scope,
    error: error?.error,
    at_once: most,
    detail: error?.error_detail ?? error?.error_description,
  });
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  provider.on('grant.success', (ctx) => record('grant.success', ctx));
  provider.on('grant.error', (ctx, error) => record('grant.error', ctx, error));
  provider.on('grant.revoked', (ctx) => record('grant.revoked', ctx));
  provider.on('registration_create.success', (ctx, client) => {
    events.push({ event: 'registration_create.success', client_id: client.clientId });
  });
  provider.on('authorization.success', (ctx) => record('authorization.success', ctx));
  provider.on('authorization.error', (ctx, error) => record('authorization.error', ctx, error));
  provider.on('server_error', (ctx, error) => console.error(error));

  const serve = provider.callback();
  server.on('request', (request, response) => {
    if (request.method === 'GET' && request.url === '/events') {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(events));
      return;
    }
    if (request.method === 'POST' && request.url === '/token') {
      now += 1;
      most = Math.max(most, now);
      response.on('close', () => { now -= 1; });
    }
    serve(request, response);
  });
  console.log('ready', issuer);
});
