using System.Net;

namespace DiffusionClip.Worker.Trust;

/// <summary>Where the worker listens.</summary>
/// <param name="Addresses">The addresses; more than one for <c>localhost</c>.</param>
/// <param name="Port">The port; 0 for any that is free.</param>
internal sealed record ListenAddress(IReadOnlyList<IPAddress> Addresses, int Port)
{
    /// <summary>Whether only this machine can reach it.</summary>
    public bool IsLoopback => Addresses.All(IPAddress.IsLoopback);

    /// <exception cref="InvalidRequestException">Not an address to listen at.</exception>
    public static ListenAddress Read(string url)
    {
        const string Remedy = "give http://ADDRESS:PORT with an IP address or localhost; for TLS put a proxy in front";
        if (
            !Uri.TryCreate(url, UriKind.Absolute, out Uri? uri)
            || uri.Scheme != Uri.UriSchemeHttp
            || uri.PathAndQuery != "/"
            || uri.UserInfo.Length > 0
            || uri.Fragment.Length > 0)
        {
            throw new InvalidRequestException("Worker:Url", url, Remedy);
        }

        if (string.Equals(uri.Host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            // A free port cannot be had for two addresses at once.
            return new ListenAddress(uri.Port == 0 ? [IPAddress.Loopback] : [IPAddress.Loopback, IPAddress.IPv6Loopback], uri.Port);
        }

        return IPAddress.TryParse(uri.DnsSafeHost, out IPAddress? address)
            ? new ListenAddress([address], uri.Port)
            : throw new InvalidRequestException("Worker:Url", url, Remedy);
    }
}
