using DiffusionClip.Worker.Interfaces;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Features;

namespace DiffusionClip.Worker.Trust;

/// <summary>Authorization: one policy for every endpoint, unless it opts out.</summary>
internal static class TrustServices
{
    /// <summary>Adds keys, the policy and the limits.</summary>
    /// <exception cref="InvalidRequestException">Keys cannot be used, or there is none where there has to be one.</exception>
    public static void AddTrust(this IServiceCollection services, WorkerOptions options)
    {
        ListenAddress address = ListenAddress.Read(options.Url);
        KeyRing keys = KeyRing.Read(options.Trust);
        if (keys.IsEmpty && !address.IsLoopback)
        {
            throw new InvalidRequestException(
                "Worker:Url",
                options.Url,
                "other machines can reach it and there is no key; set one (Worker__Trust__Keys__NAME=KEY or Worker:Trust:KeyFile), or listen at 127.0.0.1"
            );
        }

        services.AddSingleton(address);
        services.AddSingleton(keys);
        services.AddSingleton<UrlFetcher>();
        // Not AddAuthentication: it would write data protection's keys into the home folder.
        services.AddWebEncoders();
        services.AddTransient<KeyAuthentication>();
        services.AddAuthenticationCore(authentication =>
        {
            authentication.DefaultScheme = KeyAuthentication.SchemeName;
            authentication.AddScheme<KeyAuthentication>(KeyAuthentication.SchemeName, null);
        });
        services
            .AddAuthorizationBuilder()
            .SetFallbackPolicy(new AuthorizationPolicyBuilder(KeyAuthentication.SchemeName).RequireAuthenticatedUser().Build());
        services.AddCors(cors =>
            cors.AddDefaultPolicy(policy =>
                policy
                    .WithOrigins([.. options.Trust.Origins])
                    .AllowAnyHeader()
                    .AllowAnyMethod()
                    .AllowCredentials()
                    .WithExposedHeaders("Location", "Retry-After")));
        services.Configure<FormOptions>(form =>
        {
            form.MultipartBodyLengthLimit = options.Trust.BodyBytes;
            form.ValueLengthLimit = (int)Math.Min(options.Trust.BodyBytes, int.MaxValue);
            form.ValueCountLimit = 256;
            form.MultipartHeadersLengthLimit = 16 << 10;
        });
    }

    /// <summary>Adds the checks in front of all routes, the outermost first.</summary>
    public static void UseTrust(this IApplicationBuilder application)
    {
        application.UseMiddleware<FaultMiddleware>();
        application.Use(static (context, next) =>
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.Headers["Referrer-Policy"] = "no-referrer";
            return next(context);
        });
        application.UseMiddleware<HostsAndOrigins>();
        application.UseRouting();
        application.UseCors();
        application.UseAuthentication();
        application.UseAuthorization();
        application.UseMiddleware<BodyRules>();
    }
}
