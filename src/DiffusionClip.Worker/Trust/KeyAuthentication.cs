using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace DiffusionClip.Worker.Trust;

/// <summary>
/// Tells callers apart by their keys: <c>Authorization: Bearer KEY</c>, <c>Authorization: Basic</c> with the key as password and any
/// user, or <c>X-API-Key: KEY</c>. Without keys every caller is <see cref="Caller.Local"/>.
/// </summary>
internal sealed class KeyAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    KeyRing keys
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    /// <summary>Name of the scheme.</summary>
    public const string SchemeName = "Key";

    private const string ApiKeyHeader = "X-API-Key";

    /// <inheritdoc/>
    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        string? name = Caller.Local;
        if (!keys.IsEmpty)
        {
            if (Presented() is not { } key)
            {
                return Task.FromResult(AuthenticateResult.NoResult());
            }

            name = keys.NameOf(key);
        }

        return Task.FromResult(
            name is null
                ? AuthenticateResult.Fail("the key is unknown")
                : AuthenticateResult.Success(
                    new AuthenticationTicket(
                        new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], SchemeName)),
                        SchemeName)));
    }

    /// <inheritdoc/>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        // Basic comes first: it makes a browser ask for the key.
        Response.Headers.Append(HeaderNames.WWWAuthenticate, "Basic realm=\"DiffusionClip: the key is the password\", charset=\"UTF-8\"");
        Response.Headers.Append(HeaderNames.WWWAuthenticate, "Bearer realm=\"DiffusionClip\"");
        return Task.CompletedTask;
    }

    private string? Presented()
    {
        if (Request.Headers[ApiKeyHeader] is [{ Length: > 0 } apiKey])
        {
            return apiKey;
        }

        if (
            Request.Headers.Authorization is not [{ } authorization]
            || !AuthenticationHeaderValue.TryParse(authorization, out AuthenticationHeaderValue? header)
            || header.Parameter is not { } parameter)
        {
            return null;
        }

        if (string.Equals(header.Scheme, "Bearer", StringComparison.OrdinalIgnoreCase))
        {
            return parameter;
        }

        if (!string.Equals(header.Scheme, "Basic", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var bytes = new byte[parameter.Length];
        if (!Convert.TryFromBase64String(parameter, bytes, out int length))
        {
            return null;
        }

        string pair = Encoding.UTF8.GetString(bytes, 0, length);
        int colon = pair.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : pair[(colon + 1)..];
    }
}
