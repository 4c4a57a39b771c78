using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary><c>png-info</c>: what a picture says about how it was made.</summary>
internal static class PngInfo
{
    /// <summary>Answers a request.</summary>
    public static async Task<IResult> RunAsync(HttpContext context)
    {
        using JsonDocument body = await BodyFields.ReadAsync(context).ConfigureAwait(false);
        var fields = new BodyFields(body.RootElement);
        string? given = fields.Text("image");
        if (string.IsNullOrEmpty(given))
        {
            fields.Add("image", "field required", "value_error.missing");
        }

        fields.Check();
        PictureInspection inspection = PictureMetadataReader.Read(Base64Picture.Read("image", given!));
        if (!inspection.Readable)
        {
            throw new InvalidRequestException("image", "(picture)", "it is no PNG, JPEG, WebP, GIF or BMP file");
        }

        string info = inspection.Texts.FirstOrDefault(text => text.Keyword is "parameters" or "UserComment")?.Text ?? "";
        var items = new JsonObject();
        foreach (PictureText text in inspection.Texts)
        {
            items[text.Keyword == "UserComment" ? "parameters" : text.Keyword] = text.Text;
        }

        return Results.Json(new JsonObject { ["info"] = info, ["items"] = items, ["parameters"] = Parameters(info) });
    }

    // The webui's names: the size comes apart, and what is missing stands at what it means.
    private static JsonObject Parameters(string info)
    {
        var parameters = new JsonObject();
        if (info.Length == 0)
        {
            return parameters;
        }

        Infotext text = Infotext.Parse(info);
        parameters["Prompt"] = text.Prompt;
        parameters["Negative prompt"] = text.NegativePrompt ?? "";
        foreach (InfotextField field in text.Fields)
        {
            string[] sides = field.Value.Split('x');
            if (sides.Length == 2 && sides.All(side => side.Length > 0 && side.All(char.IsAsciiDigit)))
            {
                parameters[$"{field.Key}-1"] = sides[0];
                parameters[$"{field.Key}-2"] = sides[1];
            }
            else
            {
                parameters[field.Key] = field.Value;
            }
        }

        foreach (
            (string key, string meaning) in (ReadOnlySpan<(string, string)>)
                [("Clip skip", "1"), ("Schedule type", ScheduleTypes.Automatic), ("RNG", "GPU")])
        {
            if (text.Fields.Count > 0 && !parameters.ContainsKey(key))
            {
                parameters[key] = meaning;
            }
        }

        return parameters;
    }
}
