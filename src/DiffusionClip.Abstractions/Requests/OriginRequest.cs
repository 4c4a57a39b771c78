using System.Security.Cryptography;

namespace DiffusionClip;

/// <summary>
/// The picture that painting starts from. Pictures are named by the SHA-256 of their files, so that the record stays small;
/// the pixels are given beside the request.
/// </summary>
public sealed record OriginRequest
{
    /// <summary>
    /// SHA-256 of the picture's file, 64 lower-case hex digits. A picture of another size is resized to the request's (Lanczos).
    /// </summary>
    public string Image { get; init; } = "";

    /// <summary>
    /// SHA-256 of the mask's file: what is white (128 and above) is painted, what is black is kept. Null: the whole picture is painted
    /// over. A mask of another size is resized to the request's (Lanczos).
    /// </summary>
    public string? Mask { get; init; }

    /// <summary>
    /// How much of the way is denoised, above 0 to 1: of N steps the last ⌊N·strength⌋ run (Meng et al. 2021, SDEdit). With a mask, 1
    /// starts from noise alone. Null: the default of the model's family in diffusers.
    /// </summary>
    public double? Strength { get; init; }

    /// <summary>The name of a picture: the SHA-256 of its file as 64 lower-case hex digits.</summary>
    /// <param name="file">The whole file.</param>
    public static string NameOf(ReadOnlySpan<byte> file) => Convert.ToHexStringLower(SHA256.HashData(file));
}
